import type { YNotebook } from '@jupyter/ydoc';
import type { IOutput } from '@jupyterlab/nbformat';
import { type INotebookModel, NotebookModel } from '@jupyterlab/notebook';
import type { IOutputAreaModel } from '@jupyterlab/outputarea';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  applyAwarenessUpdate,
  encodeAwarenessUpdate
} from 'y-protocols/awareness';
import { applyUpdate, encodeStateAsUpdate } from 'yjs';

import type { NotebookJobs } from '../src/notebookJobs';
import { CARD_MIME_TYPE, type IView } from '../src/protocol';
import { Recorder } from '../src/recorder';
import type { ServerRoute } from '../src/serverRoute';
import { findViews, htmlOf, type IShownView } from '../src/views';
import { content, Source, view } from './notebooks';

/** How long what one client does takes to come to the others. */
const LATENCY_MS = 100;

interface IChange {
  readonly added: number[];
  readonly updated: number[];
  readonly removed: number[];
}

/** Clients that show one document, each with what it has heard of. */
class Room {
  readonly clients: INotebookModel[] = [];

  /** A client that comes in, and hears of the others only when they tell of themselves. */
  enter(model: INotebookModel, id = this.clients.length + 1): INotebookModel {
    const { ydoc, awareness } = model.sharedModel as YNotebook;
    ydoc.clientID = awareness.clientID = id;
    awareness.setLocalState({});
    awareness.setLocalState({ user: {} });
    for (const other of this.clients) {
      const { ydoc: doc } = other.sharedModel as YNotebook;
      applyUpdate(ydoc, encodeStateAsUpdate(doc), 'room');
      applyUpdate(doc, encodeStateAsUpdate(ydoc), 'room');
    }
    this.clients.push(model);
    ydoc.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin !== 'room') {
        this._tell(model, other => {
          applyUpdate(other.ydoc, update, 'room');
        });
      }
    });
    const tell = (clients: number[]): void => {
      const update = encodeAwarenessUpdate(awareness, clients);
      this._tell(model, other => {
        applyAwarenessUpdate(other.awareness, update, 'room');
      });
    };
    awareness.on('update', (change: IChange, origin: unknown) => {
      if (origin !== 'room') {
        tell([...change.added, ...change.updated, ...change.removed]);
      }
    });
    tell([awareness.clientID]);
    return model;
  }

  /** From now on none hears of the others. */
  part(): void {
    this._isApart = true;
  }

  /** Each reads what the others have written meanwhile. */
  meet(): void {
    this._isApart = false;
    const docs = this.clients.map(
      ({ sharedModel }) => (sharedModel as YNotebook).ydoc
    );
    for (const doc of docs) {
      docs.forEach(other => {
        applyUpdate(doc, encodeStateAsUpdate(other), 'room');
      });
    }
  }

  /** One goes, of which some may not hear. */
  leave(model: INotebookModel): void {
    this.clients.splice(this.clients.indexOf(model), 1);
  }

  private _tell(from: INotebookModel, what: (other: YNotebook) => void): void {
    if (this._isApart) {
      return;
    }
    this.clients
      .filter(client => client !== from)
      .forEach(client => {
        window.setTimeout(() => {
          what(client.sharedModel as YNotebook);
        }, LATENCY_MS);
      });
  }

  private _isApart = false;
}

function shown(model: INotebookModel): string[] {
  return findViews(model).map(htmlOf);
}

/** The outputs of the cell that has the card: what it prints, and `card`. */
function inDocument(model: INotebookModel): unknown[] {
  const [first] = findViews(model);
  return first?.cell.sharedModel.getOutputs().map(named) ?? [];
}

function onScreen(model: INotebookModel): unknown[] {
  const { cell } = findViews(model)[0] ?? {};
  return [...Array(cell?.outputs.length ?? 0).keys()].map(index =>
    named(cell?.outputs.get(index).toJSON() ?? STREAM)
  );
}

function named(output: IOutput): unknown {
  return output['text'] ?? 'card';
}

/** A notebook that several clients write into. */
function shared(...cells: object[][]): INotebookModel {
  const model = new NotebookModel({ collaborationEnabled: true });
  model.fromJSON(content(...cells));
  return model;
}

const OPEN = { key: 'a', ended: false, lost: '' };
const STREAM = { output_type: 'stream', name: 'stdout', text: 'words' };

/** What JupyterLab does with an update of a display. */
function writeAsLab({ cell, index }: IShownView, by: IView): void {
  const output = cell.outputs.get(index).toJSON();
  const data = {
    ...(output['data'] as object),
    [CARD_MIME_TYPE]: { key: by.key, ended: by.ended, lost: '' },
    'text/html': by.html,
    'text/plain': by.text
  };
  cell.outputs.set(index, { ...output, data });
}

/** A client, and its recorder that the kernel tells of views. */
class Client {
  constructor(readonly model: INotebookModel) {
    this._source = new Source(model);
    this._recorder = new Recorder(
      this._source as unknown as NotebookJobs,
      {
        view: async () => Promise.resolve({ type: 'lives', key: 'a' })
      } as unknown as ServerRoute,
      () => undefined
    );
  }

  hear(told: IView): void {
    this._source.known.set('a', told);
    this._source.views.emit({ type: 'view', view: told });
  }

  leave(): void {
    this._recorder.dispose();
  }

  private readonly _source: Source;
  private readonly _recorder: Recorder;
}

describe('a shared notebook', () => {
  let room: Room;
  let clients: Client[];

  async function enter(first = shared([OPEN]), count = 1): Promise<void> {
    for (let client = 0; client < count; client++) {
      come(client ? shared() : first);
      await vi.advanceTimersByTimeAsync(1);
    }
    await settle();
  }

  function come(model = shared(), id?: number): void {
    clients.push(new Client(room.enter(model, id)));
  }

  async function settle(): Promise<void> {
    await vi.advanceTimersByTimeAsync(15_000);
  }

  function tell(values: Partial<IView> = {}, whom = clients): void {
    whom.forEach(client => {
      client.hear(view(values));
    });
  }

  function expectAll(html: string, around = ''): void {
    const all = around ? ['before', 'card', 'after'] : ['card'];
    for (const { model } of clients) {
      expect(shown(model)).toEqual([html]);
      expect(inDocument(model)).toEqual(all);
      expect(onScreen(model)).toEqual(all);
    }
  }

  /** Have a cell print before and after its card. */
  function printAround(model: INotebookModel): void {
    const [cell] = model.cells;
    const { outputs } = cell as unknown as { outputs: IOutputAreaModel };
    const card = outputs.get(0).toJSON();
    outputs.clear();
    outputs.add({ ...STREAM, text: 'before' });
    outputs.add(card);
    outputs.add({ ...STREAM, text: 'after' });
  }

  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal('navigator', {});
    room = new Room();
    clients = [];
  });

  afterEach(() => {
    clients.forEach(client => {
      client.leave();
    });
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it.each([1, 2, 3, 5])('is written once by %i clients', async count => {
    await enter(undefined, count);
    tell();
    await settle();
    expectAll('the end');
  });

  it('is written once by clients that have only just come', async () => {
    await enter();
    [1, 2, 3].forEach(() => {
      come();
    });
    tell();
    await settle();
    expectAll('the end');
  });

  it.each([0, 1, 2])('is written if client %i alone knows', async knows => {
    await enter(undefined, 3);
    tell({}, clients.slice(knows, knows + 1));
    await settle();
    expectAll('the end');
  });

  it('has a later end, also if not all have heard of it', async () => {
    await enter(undefined, 2);
    for (const [html, whom] of [
      ['one', clients],
      ['two', clients.slice(0, 1)],
      ['three', clients.slice(1)]
    ] as const) {
      tell({ html }, [...whom]);
      await settle();
      expectAll(html);
    }
  });

  it('keeps the other outputs of a cell, and their order', async () => {
    const model = shared([OPEN]);
    printAround(model);
    await enter(model, 3);
    for (const html of ['one', 'two', 'three']) {
      // JupyterLab's own way, by which the others' order changes.
      findViews(model).forEach(view_ => {
        writeAsLab(view_, view({ html: `${html}?` }));
      });
      await settle();
      tell({ html });
      await settle();
      expectAll(html, 'around');
    }
  });

  it.each([2, 3])(
    'has it once when %i that had lost each other meet',
    async count => {
      const model = shared([OPEN]);
      printAround(model);
      await enter(model, count);
      room.part();
      tell();
      await settle();
      room.meet();
      await settle();
      expectAll('the end', 'around');
    }
  );

  it.each([...Array(60).keys()])('is written once: walk %i', async seed => {
    let state = seed + 1;
    const random = (below: number): number => {
      state = (state * 48_271) % 2_147_483_647;
      return state % below;
    };
    const newId = (): number => 1 + random(1_000_000);
    const model = shared([OPEN]);
    const around = random(2) ? 'around' : '';
    if (around) {
      printAround(model);
    }
    await enter(model);
    for (let more = random(4); more > 0; more--) {
      come(undefined, newId());
    }
    await settle();
    // The kernel's words come to each client in their order.
    const lateness = new Map<Client, number>();
    const late = (client: Client): number => {
      const ms = lateness.get(client) ?? random(60);
      lateness.set(client, ms);
      return ms;
    };
    // The client that has run the cell, whose JupyterLab writes by itself until it is loaded anew.
    let runner = random(2) ? clients[0] : undefined;
    for (let step = 0; step < 6; step++) {
      const told = { html: `state ${step}`, ended: step === 5 || !random(2) };
      if (runner) {
        findViews(runner.model).forEach(view_ => {
          writeAsLab(view_, view(told));
        });
      }
      for (const client of clients) {
        window.setTimeout(() => {
          client.hear(view(told));
        }, late(client));
      }
      await vi.advanceTimersByTimeAsync(random(4_000));
      if (!random(3)) {
        runner = undefined;
        come(undefined, newId());
      }
      if (!random(4) && clients.length > 1) {
        const [gone] = clients.splice(random(clients.length), 1);
        runner = gone === runner ? undefined : runner;
        room.leave(gone?.model ?? shared());
        gone?.leave();
      }
    }
    await settle();
    tell({ html: 'state 5' });
    await settle();
    expectAll('state 5', around);
  });
});
