import { autosavePlugin } from './plugins/autosave';
import { cardPlugin } from './plugins/card';
import { commandsPlugin } from './plugins/commands';
import { dialogsPlugin } from './plugins/dialogs';
import { jobsPlugin } from './plugins/jobs';
import { notificationsPlugin } from './plugins/notifications';
import { panelPlugin } from './plugins/panel';
import { runPlugin } from './plugins/run';
import { runningPlugin } from './plugins/running';
import { settingsPlugin } from './plugins/settings';
import { statusPlugin } from './plugins/status';

export { IJobs } from './tokens';

export default [
  autosavePlugin,
  cardPlugin,
  commandsPlugin,
  dialogsPlugin,
  jobsPlugin,
  notificationsPlugin,
  panelPlugin,
  runPlugin,
  runningPlugin,
  settingsPlugin,
  statusPlugin
];
