import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';
import {
  ITranslator,
  nullTranslator,
  type TranslationBundle
} from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';

import { CommandIds } from '../commandIds';
import { Notices } from '../notices';
import { IJobSettings } from '../settings';
import { IJobs } from '../tokens';

export const notificationsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'caikit-nb:notifications',
  description: 'Tells of background jobs that took long and have ended.',
  autoStart: true,
  requires: [IJobs, IJobSettings],
  optional: [ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    jobs: IJobs,
    settings: IJobSettings,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('caikit_nb');
    const notices = new Notices(settings, app.commands, trans);
    jobs.news.connect((_, news) => notices.tell(news));
    app.commands.addCommand(CommandIds.allowDesktop, allowCommand(trans));
    palette?.addItem({
      command: CommandIds.allowDesktop,
      category: trans.__('Background Jobs')
    });
  }
};

/** A browser asks its user only after a click. */
function allowCommand(
  trans: TranslationBundle
): CommandRegistry.ICommandOptions {
  return {
    label: trans.__('Allow Desktop Notifications of Jobs…'),
    isEnabled: () => 'Notification' in window,
    execute: async () => {
      const answer = await window.Notification.requestPermission();
      if (answer === 'granted') {
        Notification.success(
          trans.__('Allowed. The setting “Desktop notifications” has the rest.')
        );
      } else {
        Notification.warning(
          trans.__('The browser does not allow desktop notifications here.')
        );
      }
    }
  };
}
