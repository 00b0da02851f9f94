import type { YNotebook } from '@jupyter/ydoc';
import { type INotebookModel, NotebookModel } from '@jupyterlab/notebook';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  applyAwarenessUpdate,
  encodeAwarenessUpdate
} from 'y-protocols/awareness';
import { applyUpdate, encodeStateAsUpdate } from 'yjs';

import { CARD_MIME_TYPE, type IView } from '../src/protocol';
import { Turns } from '../src/turns';
import { findViews, htmlOf, type IShownView, writeView } from '../src/views';
import { content, view } from './notebooks';

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

  private _tell(from: INotebookModel, what: (other: YNotebook) => void): void {
    this.clients
      .filter(client => client !== from)
      .forEach(client => {
        window.setTimeout(() => {
          what(client.sharedModel as YNotebook);
        }, LATENCY_MS);
      });
  }
}

function shown(model: INotebookModel): string[] {
  return findViews(model).map(htmlOf);
}

function inDocument(model: INotebookModel): unknown[] {
  const [first] = findViews(model);
  return (
    first?.cell.sharedModel.getOutputs().map(output => output.output_type) ?? []
  );
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

describe('Turns', () => {
  let room: Room;
  let turns: Turns[];

  async function enter(
    count: number,
    first = shared([OPEN]),
    newId?: () => number
  ): Promise<void> {
    turns = [];
    for (let client = 0; client < count; client++) {
      turns.push(new Turns(room.enter(client ? shared() : first, newId?.())));
      await vi.advanceTimersByTimeAsync(1);
    }
    await settle();
  }

  async function settle(): Promise<void> {
    await vi.advanceTimersByTimeAsync(10_000);
  }

  /** Have each client that knows it write the end of what is shown. */
  function end(
    values: Parameters<typeof view>[0] = {},
    clients = room.clients
  ): void {
    clients.forEach(model => {
      const last = view(values);
      const state = (): string => [last.html, ...shown(model)].join();
      turns[room.clients.indexOf(model)]?.wait('a', state, () => {
        findViews(model).forEach(other => writeView(other, last));
      });
    });
  }

  beforeEach(() => {
    vi.useFakeTimers();
    room = new Room();
  });

  afterEach(() => {
    turns.forEach(turn => {
      turn.dispose();
    });
    vi.useRealTimers();
  });

  it.each([1, 2, 3, 5])('writes once for %i clients', async count => {
    await enter(count);
    end();
    await settle();
    expect(room.clients.map(shown)).toEqual(
      room.clients.map(() => ['the end'])
    );
    expect(turns.filter(turn => turn.isFirst)).toHaveLength(1);
  });

  it('writes once among clients that have only just come', async () => {
    await enter(1);
    for (let more = 0; more < 3; more++) {
      turns.push(new Turns(room.enter(shared())));
    }
    await vi.advanceTimersByTimeAsync(3 * LATENCY_MS);
    end();
    await settle();
    expect(room.clients.map(shown)).toEqual(
      room.clients.map(() => ['the end'])
    );
  });

  it.each([0, 1, 2])(
    'is taken where client %i alone knows of the end',
    async knows => {
      await enter(3);
      end({}, room.clients.slice(knows, knows + 1));
      await settle();
      expect(room.clients.map(shown)).toEqual(
        room.clients.map(() => ['the end'])
      );
    }
  );

  it('leaves it to the client that writes at once', async () => {
    await enter(2);
    for (const html of ['one', 'two', 'three']) {
      const [first] = room.clients;
      findViews(first ?? null).forEach(other =>
        writeView(other, view({ html }))
      );
      end({ html });
      await vi.advanceTimersByTimeAsync(900);
    }
    await settle();
    expect(room.clients.map(shown)).toEqual([['three'], ['three']]);
  });

  it('leaves the other outputs of a cell as they are', async () => {
    const model = shared([OPEN]);
    const [cell] = model.cells;
    (cell as unknown as { outputs: { add(output: object): void } }).outputs.add(
      STREAM
    );
    await enter(2, model);
    for (const html of ['one', 'two', 'three']) {
      end({ html });
      await settle();
      const [other] = room.clients.slice(
        turns.findIndex(turn => turn.isFirst) ? 0 : 1
      );
      findViews(other ?? null).forEach(view_ =>
        writeView(view_, view({ html: html + '!' }))
      );
      await settle();
    }
    for (const client of room.clients) {
      expect(shown(client)).toEqual(['three!']);
      expect(inDocument(client)).toEqual(['display_data', 'stream']);
    }
  });

  it('counts neither the server nor who has gone', async () => {
    await enter(2);
    const [first, second] = room.clients.map(
      model => (model.sharedModel as YNotebook).awareness
    );
    [first, second].forEach(awareness => awareness?.states.set(0, {}));
    expect(turns.filter(turn => turn.isFirst)).toHaveLength(1);
    const last = turns.findIndex(turn => !turn.isFirst);
    [first, second][1 - last]?.setLocalState(null);
    await settle();
    expect(turns[last]?.isFirst).toBe(true);
  });

  it.each([...Array(60).keys()])(
    'writes once whatever happens: walk %i',
    async seed => {
      let state = seed + 1;
      const random = (below: number): number => {
        state = (state * 48_271) % 2_147_483_647;
        return state % below;
      };
      const newId = (): number => 1 + random(1_000_000);
      await enter(2 + random(3), shared([OPEN]), newId);
      // The kernel's words come to each client in their order.
      const lateness = new Map<INotebookModel, number>();
      const late = (model: INotebookModel): number => {
        const ms = lateness.get(model) ?? random(60);
        lateness.set(model, ms);
        return ms;
      };
      // The client that has run the cell, whose JupyterLab writes by itself until it is loaded anew.
      let runner = random(2) ? room.clients[0] : undefined;
      for (let step = 0; step < 6; step++) {
        const html = `state ${step}`;
        const values = { html, ended: step === 5 || random(2) > 0 };
        if (runner) {
          findViews(runner).forEach(shown_ => writeAsLab(shown_, view(values)));
        }
        for (const model of room.clients) {
          window.setTimeout(() => {
            end(values, [model]);
          }, late(model));
        }
        await vi.advanceTimersByTimeAsync(random(2_500));
        if (!random(4)) {
          runner = undefined;
          turns.push(new Turns(room.enter(shared())));
        }
      }
      await settle();
      for (const client of room.clients) {
        expect(shown(client)).toEqual(['state 5']);
        expect(inDocument(client)).toEqual(['display_data']);
      }
    }
  );
});
