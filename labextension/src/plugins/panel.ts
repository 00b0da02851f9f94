import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { CommandIds } from '../commandIds';
import { jobsIcon } from '../icons';
import { JobsPanel } from '../panel';
import { IJobs } from '../tokens';

const PANEL_ID = 'caikit-nb-jobs';
/** Below the running sessions, above the table of contents. */
const RANK = 250;

export const panelPlugin: JupyterFrontEndPlugin<void> = {
  id: 'caikit-nb:panel',
  description: 'The panel of background jobs.',
  autoStart: true,
  requires: [IJobs],
  optional: [ILayoutRestorer, ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    jobs: IJobs,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('caikit_nb');
    const panel = new JobsPanel(jobs, { commands: app.commands, trans });
    panel.id = PANEL_ID;
    panel.title.icon = jobsIcon;
    panel.title.caption = trans.__('Background jobs');
    panel.node.setAttribute('role', 'region');
    panel.node.setAttribute('aria-label', trans.__('Background jobs'));
    app.shell.add(panel, 'left', { rank: RANK, type: 'Background Jobs' });
    restorer?.add(panel, PANEL_ID);
    app.commands.addCommand(CommandIds.showPanel, {
      label: trans.__('Show Background Jobs'),
      execute: () => app.shell.activateById(PANEL_ID)
    });
    palette?.addItem({
      command: CommandIds.showPanel,
      category: trans.__('Background Jobs')
    });
  }
};
