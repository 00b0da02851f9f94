import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import { Token } from '@lumino/coreutils';

/** The user's settings; schema/plugin.json has what each means. */
export interface IJobSettings {
  readonly saveOnSubmit: boolean;
  readonly notify: boolean;
  readonly notifyAfterS: number;
  readonly desktopNotifications: boolean;
}

export const IJobSettings = new Token<IJobSettings>(
  'caikit-nb:IJobSettings',
  'The settings of background jobs.'
);

export const DEFAULTS: IJobSettings = {
  saveOnSubmit: true,
  notify: true,
  notifyAfterS: 60,
  desktopNotifications: false
};

/** Settings as they are at each moment. */
export class JobSettings implements IJobSettings {
  constructor(private readonly registered: ISettingRegistry.ISettings) {}

  get saveOnSubmit(): boolean {
    return this._flag('saveOnSubmit', DEFAULTS.saveOnSubmit);
  }

  get notify(): boolean {
    return this._flag('notify', DEFAULTS.notify);
  }

  get notifyAfterS(): number {
    const value = this.registered.composite['notifyAfterS'];
    return typeof value === 'number' ? value : DEFAULTS.notifyAfterS;
  }

  get desktopNotifications(): boolean {
    return this._flag('desktopNotifications', DEFAULTS.desktopNotifications);
  }

  private _flag(name: string, otherwise: boolean): boolean {
    const value = this.registered.composite[name];
    return typeof value === 'boolean' ? value : otherwise;
  }
}
