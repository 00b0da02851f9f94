import { type ICodeCellModel, isCodeCellModel } from '@jupyterlab/cells';
import type { IOutput } from '@jupyterlab/nbformat';
import type { INotebookModel } from '@jupyterlab/notebook';
import type { JSONObject } from '@lumino/coreutils';

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
  return joined(cell.outputs.get(index).data[HTML_MIME_TYPE]);
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
  const output = outputOf(shown);
  if (!output) {
    return false;
  }
  const data = dataOf(output);
  const before = data[CARD_MIME_TYPE];
  if (
    data[HTML_MIME_TYPE] === state.html &&
    keptOf(before)?.ended === state.ended &&
    data[TEXT_MIME_TYPE] === state.text
  ) {
    return false;
  }
  const kept = {
    ...(isRecord(before) ? before : {}),
    ended: state.ended,
    lost: state.ended ? undefined : state.lost
  };
  replace(shown, {
    ...output,
    data: {
      ...data,
      [HTML_MIME_TYPE]: state.html,
      [TEXT_MIME_TYPE]: state.text,
      [CARD_MIME_TYPE]: JSON.parse(JSON.stringify(kept)) as JSONObject
    }
  });
  return true;
}

/** What shows a view, as the document has it. */
function outputOf(shown: IShownView): IOutput | undefined {
  const { cell, index, isShared } = shown;
  return isShared
    ? cell.sharedModel.getOutputs().find(output => shows(output, shown.key))
    : cell.outputs.get(index).toJSON();
}

/**
 * Put another output in the place of what shows a view.
 *
 * JupyterLab shows each output that another client inserts behind all others of its cell, wherever
 * it was inserted, and takes a deleted one away by its place. So what follows is inserted anew, too:
 * then cells have the same order everywhere.
 */
function replace(
  { cell, index, key, isShared }: IShownView,
  by: IOutput
): void {
  if (!isShared) {
    cell.outputs.set(index, by);
    return;
  }
  const outputs = cell.sharedModel.getOutputs();
  const place = outputs.findIndex(output => shows(output, key));
  // Where another client's JupyterLab replaced one, this one's may have another order.
  const start = place === index && isInOrder(cell, outputs) ? place : 0;
  const tail = outputs.map(output => (shows(output, key) ? by : output));
  cell.sharedModel.updateOutputs(start, outputs.length, tail.slice(start));
}

/** Whether a cell shows its outputs as the document has them. */
function isInOrder(cell: ICodeCellModel, outputs: IOutput[]): boolean {
  return (
    cell.outputs.length === outputs.length &&
    outputs.every(
      ({ output_type }, at) => cell.outputs.get(at).type === output_type
    )
  );
}

function shows(output: IOutput, key: string): boolean {
  return keptOf(dataOf(output)[CARD_MIME_TYPE])?.key === key;
}

function viewsOf(cell: ICodeCellModel, isShared: boolean): IShownView[] {
  const found: IShownView[] = [];
  for (let index = 0; index < cell.outputs.length; index++) {
    const kept = keptOf(cell.outputs.get(index).data[CARD_MIME_TYPE]);
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
