import type { JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { ITranslator } from '@jupyterlab/translation';
import { textEditorIcon } from '@jupyterlab/ui-components';

import { LogView } from './logView';
import type { IFound, IJobs } from './tokens';

/** The tabs that show jobs' logs, one for each job. */
export class LogTabs {
  constructor(
    private readonly app: JupyterFrontEnd,
    private readonly jobs: IJobs,
    private readonly translator: ITranslator
  ) {}

  /** Show a job's log. */
  open(found: IFound): void {
    const { job, notebook } = found;
    const tab =
      this._tabs.find(tab => tab.content.jobId === job.id) ?? this._add(found);
    if (!tab.isAttached) {
      const place: DocumentRegistry.IOpenOptions = notebook.panel
        ? { mode: 'split-bottom', ref: notebook.panel.id }
        : {};
      this.app.shell.add(tab, 'main', place);
    }
    this.app.shell.activateById(tab.id);
  }

  private _add(found: IFound): MainAreaWidget<LogView> {
    const trans = this.translator.load('caikit_nb');
    const content = new LogView(found, this.jobs, this.translator);
    const tab = new MainAreaWidget({ content });
    tab.toolbar.hide();
    tab.id = `caikit-nb-log-${found.job.id}`;
    tab.title.label = trans.__('Log of %1', found.job.name);
    tab.title.caption = trans.__(
      'What job %1 of %2 prints',
      found.job.name,
      found.notebook.path
    );
    tab.title.icon = textEditorIcon;
    tab.title.closable = true;
    void this._tabs.add(tab);
    return tab;
  }

  private readonly _tabs = new WidgetTracker<MainAreaWidget<LogView>>({
    namespace: 'caikit-nb-logs'
  });
}
