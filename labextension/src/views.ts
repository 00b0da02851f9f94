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
}

/** All views that a notebook shows, from its first cell to its last. */
export function findViews(model: INotebookModel | null): IShownView[] {
  return [...(model?.cells ?? [])].flatMap(cell =>
    isCodeCellModel(cell) ? viewsOf(cell) : []
  );
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
  const html = last?.html ?? joined(data[HTML_MIME_TYPE]);
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
  const output = shown.cell.outputs.get(shown.index).toJSON();
  const data = dataOf(output);
  if (
    data[HTML_MIME_TYPE] === state.html &&
    shown.ended === state.ended &&
    data[TEXT_MIME_TYPE] === state.text
  ) {
    return false;
  }
  const before = data[CARD_MIME_TYPE];
  const kept = {
    ...(isRecord(before) ? before : {}),
    ended: state.ended,
    lost: state.ended ? undefined : state.lost
  };
  shown.cell.outputs.set(shown.index, {
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

function viewsOf(cell: ICodeCellModel): IShownView[] {
  const found: IShownView[] = [];
  for (let index = 0; index < cell.outputs.length; index++) {
    const kept = keptOf(cell.outputs.get(index).data[CARD_MIME_TYPE]);
    if (kept) {
      found.push({ ...kept, cell, index });
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
