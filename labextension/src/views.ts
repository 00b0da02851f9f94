import { type ICodeCellModel, isCodeCellModel } from '@jupyterlab/cells';
import type { IOutput } from '@jupyterlab/nbformat';
import type { INotebookModel } from '@jupyterlab/notebook';
import type { JSONObject } from '@lumino/coreutils';
import type { Signal } from '@lumino/signaling';

import { CARD_MIME_TYPE, type IView } from './protocol';

const HTML_MIME_TYPE = 'text/html';
const TEXT_MIME_TYPE = 'text/plain';
/** The parts of a view that tell how something stands that has not ended. */
const STATES = /<!--state-->[\s\S]*?<!--\/state-->/g;

/** What an output holds of a view. */
export interface IKept {
  readonly key: string;
  readonly ended: boolean;
  readonly lost: string;
  /** The ids of the jobs whose card it is. */
  readonly jobs: readonly unknown[];
}

/** A view that a notebook shows in one of its outputs. */
export interface IShownView extends IKept {
  readonly cell: ICodeCellModel;
  readonly index: number;
  /** Whether other clients write into the same document. */
  readonly isShared: boolean;
}

/** All views that a notebook shows, from its first cell to its last. */
export function findViews(model: INotebookModel | null): IShownView[] {
  const isShared = model?.collaborative ?? false;
  return [...(model?.cells ?? [])].flatMap(cell =>
    isCodeCellModel(cell) ? viewsOf(cell, isShared) : []
  );
}

/** The HTML that is shown of a view. */
export function htmlOf({ cell, index }: IShownView): string {
  return joined(dataOf(cell.outputs.get(index).toJSON())[HTML_MIME_TYPE]);
}

/** What changes if one of the other outputs of a view's cell does. */
export function besides({ cell }: IShownView): string {
  const sizes: string[] = [];
  for (let index = 0; index < cell.outputs.length; index++) {
    const { type, streamText } = cell.outputs.get(index);
    sizes.push(`${type} ${streamText?.text.length ?? ''}`);
  }
  return sizes.join();
}

/** Whether a view's cell runs just now, in whichever window. */
export function isRunning({ cell }: IShownView): boolean {
  return cell.sharedModel.executionState === 'running';
}

/** Write a view's state where it is shown; returns whether that is another one. */
export function writeView(shown: IShownView, view: IView): boolean {
  return write(shown, {
    html: view.html,
    text: view.text,
    ended: view.ended,
    lost: view.lost
  });
}

/**
 * Write that a view's kernel has ended before it.
 *
 * @param shown - Where.
 * @param last - Its last state that was heard of; without one what is there stays.
 * @returns Whether that is another state.
 */
export function writeLost(shown: IShownView, last: IView | undefined): boolean {
  const { data } = shown.cell.outputs.get(shown.index);
  const html = last?.html ?? htmlOf(shown);
  return write(shown, {
    html: withoutState(html, last?.lost ?? shown.lost),
    text: last?.text ?? joined(data[TEXT_MIME_TYPE]),
    ended: true,
    lost: ''
  });
}

/**
 * A view's HTML when its kernel has ended before it.
 *
 * @param lost - What takes the place of its state; empty if that isn't known.
 */
export function withoutState(html: string, lost: string): string {
  return lost ? html.replace(STATES, () => lost) : html;
}

function write(shown: IShownView, state: Omit<IView, 'key'>): boolean {
  const outputs = outputsOf(shown);
  const first = outputs[0];
  if (!first || (outputs.length === 1 && says(first, state))) {
    return false;
  }
  const data = dataOf(first);
  const before = data[CARD_MIME_TYPE];
  const kept = {
    ...(isRecord(before) ? before : {}),
    ended: state.ended,
    lost: state.ended ? undefined : state.lost
  };
  replace(shown, {
    ...first,
    data: {
      ...data,
      [HTML_MIME_TYPE]: state.html,
      [TEXT_MIME_TYPE]: state.text,
      [CARD_MIME_TYPE]: JSON.parse(JSON.stringify(kept)) as JSONObject
    }
  });
  return true;
}

function says(output: IOutput, state: Omit<IView, 'key'>): boolean {
  const data = dataOf(output);
  return (
    data[HTML_MIME_TYPE] === state.html &&
    keptOf(data[CARD_MIME_TYPE])?.ended === state.ended &&
    data[TEXT_MIME_TYPE] === state.text
  );
}

/** What shows a view in its cell, as the document has it: more than one if two clients met. */
function outputsOf({ cell, index, key, isShared }: IShownView): IOutput[] {
  return isShared
    ? cell.sharedModel.getOutputs().filter(output => shows(output, key))
    : [cell.outputs.get(index).toJSON()];
}

/** Put another output in the place of what shows a view. */
function replace(
  { cell, index, key, isShared }: IShownView,
  by: IOutput
): void {
  if (!isShared) {
    cell.outputs.set(index, by);
    return;
  }
  const outputs = cell.sharedModel.getOutputs();
  // From behind, so that places stay what they are.
  for (let place = outputs.length - 1; place >= 0; place--) {
    const output = outputs[place];
    if (output && shows(output, key)) {
      const isFirst = !outputs.slice(0, place).some(other => shows(other, key));
      cell.sharedModel.updateOutputs(place, place + 1, isFirst ? [by] : []);
    }
  }
  readAnew(cell);
}

/** Whether a view stands in its cell more than once, as two clients that write at once leave it. */
export function isDoubled(shown: IShownView): boolean {
  return outputsOf(shown).length > 1;
}

/** Have such a view stand there once: an end, if one of them is. */
export function mend(shown: IShownView): void {
  const outputs = outputsOf(shown);
  const end = outputs.find(
    output => keptOf(dataOf(output)[CARD_MIME_TYPE])?.ended
  );
  const best = end ?? outputs[0];
  if (best && outputs.length > 1) {
    replace(shown, best);
  }
}

/**
 * Have a cell show its outputs as the shared document has them.
 *
 * JupyterLab shows each output that another client inserts behind all others of its cell, wherever
 * it was inserted, and takes a deleted one away by its place: once something was updated that isn't
 * the cell's last output, other clients show another order, and then take away the wrong ones. A
 * cell reads all of it by being told that all has changed, and only so writes nothing back.
 */
export function readAnew(cell: ICodeCellModel): void {
  const outputs = cell.sharedModel.getOutputs();
  const theirs = JSON.stringify(outputs.map(signOf));
  const isRead = readLast.get(cell) === theirs;
  if (isRead || cell.sharedModel.executionState === 'running') {
    return;
  }
  const shown: IOutput[] = [];
  for (let index = 0; index < cell.outputs.length; index++) {
    shown.push(cell.outputs.get(index).toJSON());
  }
  if (JSON.stringify(shown.map(signOf)) === theirs) {
    return;
  }
  // Adjacent streams become one, and then a cell never is quite as the document.
  readLast.set(cell, theirs);
  const outputsChange = [{ delete: shown.length }, { insert: outputs }];
  (cell.sharedModel.changed as Signal<unknown, object>).emit({ outputsChange });
}

/** What the document had when a cell read it anew. */
const readLast = new WeakMap<ICodeCellModel, string>();

/** What tells an output from the others of its cell. */
function signOf(output: IOutput): unknown[] {
  const data = dataOf(output);
  const text = output['text'] ?? data[TEXT_MIME_TYPE];
  const view = keptOf(data[CARD_MIME_TYPE]);
  return [
    output.output_type,
    joined(text),
    view && [view.key, view.ended, joined(data[HTML_MIME_TYPE])]
  ];
}

function shows(output: IOutput, key: string): boolean {
  return keptOf(dataOf(output)[CARD_MIME_TYPE])?.key === key;
}

function viewsOf(cell: ICodeCellModel, isShared: boolean): IShownView[] {
  const found: IShownView[] = [];
  for (let index = 0; index < cell.outputs.length; index++) {
    // Its `data` would copy all JSON that is in it, as of large figures.
    const output = cell.outputs.get(index).toJSON();
    const kept = keptOf(dataOf(output)[CARD_MIME_TYPE]);
    if (kept) {
      found.push({ ...kept, cell, index, isShared });
    }
  }
  return found;
}

/** What an output's data hold of a view; null if it shows none. */
export function keptOf(value: unknown): IKept | null {
  if (!isRecord(value)) {
    return null;
  }
  // Notebooks of an older version have the id of a card alone.
  const key = value['key'] ?? value['id'];
  if (typeof key !== 'string') {
    return null;
  }
  const lost = value['lost'];
  const jobs = value['jobs'];
  const id = value['id'];
  return {
    key,
    ended: value['ended'] !== false,
    lost: typeof lost === 'string' ? lost : '',
    jobs: Array.isArray(jobs) ? jobs : id === undefined ? [] : [id]
  };
}

function dataOf(output: IOutput): Record<string, unknown> {
  const { data } = output;
  return isRecord(data) ? data : {};
}

/** The text of a MIME type, which a file may hold in lines. */
export function joined(value: unknown): string {
  const text = Array.isArray(value) ? value.join('') : value;
  return typeof text === 'string' ? text : '';
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
