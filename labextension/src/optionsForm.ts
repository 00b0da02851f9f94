import { Dialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

import { type IRunOptions, MAGIC } from './magicLine';

const START_METHODS = ['', 'auto', 'fork', 'forkserver', 'spawn', 'thread'];

interface IField {
  readonly key: keyof IRunOptions;
  readonly label: string;
  readonly help: string;
  readonly example: string;
  readonly choices?: readonly string[];
}

/** Ask for a job's options; null if the user wants no job after all. */
export async function askOptions(
  options: IRunOptions,
  trans: TranslationBundle
): Promise<IRunOptions | null> {
  const dialog = new Dialog({
    title: trans.__('Run as Job'),
    body: new OptionsForm(options, trans),
    focusNodeSelector: 'input',
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.okButton({ label: trans.__('Run') })
    ]
  });
  const result = await dialog.launch();
  return result.button.accept ? result.value : null;
}

/** The form: one line for each option. */
export class OptionsForm
  extends Widget
  implements Dialog.IBodyWidget<IRunOptions>
{
  constructor(
    private readonly options: IRunOptions,
    trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-caikit-Form');
    for (const field of fields(trans)) {
      this.node.append(this._row(field, trans));
    }
  }

  getValue(): IRunOptions {
    const value = (key: keyof IRunOptions): string =>
      this._inputs.get(key)?.value ?? this.options[key];
    return {
      name: value('name'),
      out: value('out'),
      startMethod: value('startMethod'),
      retain: value('retain'),
      timeout: value('timeout'),
      experiment: value('experiment'),
      more: value('more')
    };
  }

  private _row(field: IField, trans: TranslationBundle): HTMLElement {
    const row = document.createElement('label');
    const label = document.createElement('span');
    label.textContent = field.label;
    const help = document.createElement('small');
    help.id = `jp-caikit-help-${field.key}`;
    help.textContent = field.help;
    const input = field.choices
      ? select(field.choices, trans)
      : text(field.example);
    input.name = field.key;
    input.value = this.options[field.key];
    input.setAttribute('aria-describedby', help.id);
    this._inputs.set(field.key, input);
    row.append(label, input, help);
    return row;
  }

  private readonly _inputs = new Map<
    keyof IRunOptions,
    HTMLInputElement | HTMLSelectElement
  >();
}

function fields(trans: TranslationBundle): IField[] {
  return [
    {
      key: 'name',
      label: trans.__('Name'),
      help: trans.__('The variable for its future; job_1, job_2, … if empty'),
      example: 'train'
    },
    {
      key: 'out',
      label: trans.__('Bring back'),
      help: trans.__('Variables that come into the notebook when it completes'),
      example: 'model, history'
    },
    {
      key: 'startMethod',
      label: trans.__('Start method'),
      help: trans.__('How its process is made'),
      example: '',
      choices: START_METHODS
    },
    {
      key: 'retain',
      label: trans.__('Keep result for'),
      help: trans.__('90s, 1h30m, 1d, forever'),
      example: '1d'
    },
    {
      key: 'timeout',
      label: trans.__('Time limit'),
      help: trans.__('The job is ended past it; none if empty'),
      example: '1h'
    },
    {
      key: 'experiment',
      label: trans.__('Experiment'),
      help: trans.__('Keeps its parameters, metrics and source; made if new'),
      example: 'digits'
    },
    {
      key: 'more',
      label: trans.__('More options'),
      help: trans.__('As behind %1, e.g. -p lr=0.1 --retries 2', MAGIC),
      example: '-p lr=0.1'
    }
  ];
}

function text(example: string): HTMLInputElement {
  const input = document.createElement('input');
  input.type = 'text';
  input.className = 'jp-mod-styled';
  input.placeholder = example;
  input.spellcheck = false;
  return input;
}

function select(
  choices: readonly string[],
  trans: TranslationBundle
): HTMLSelectElement {
  const input = document.createElement('select');
  input.className = 'jp-mod-styled';
  for (const choice of choices) {
    input.add(new Option(choice || trans.__('as set'), choice));
  }
  return input;
}
