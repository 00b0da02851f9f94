import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ISettingRegistry } from '@jupyterlab/settingregistry';

import { DEFAULTS, IJobSettings, JobSettings } from '../settings';

export const settingsPlugin: JupyterFrontEndPlugin<IJobSettings> = {
  // Its settings, toolbar button, menus and shortcuts are in schema/plugin.json.
  id: 'caikit-nb:plugin',
  description: 'The settings of background jobs.',
  autoStart: true,
  optional: [ISettingRegistry],
  provides: IJobSettings,
  activate: async (
    _: JupyterFrontEnd,
    registry: ISettingRegistry | null
  ): Promise<IJobSettings> => {
    if (!registry) {
      return DEFAULTS;
    }
    return new JobSettings(await registry.load(settingsPlugin.id));
  }
};
