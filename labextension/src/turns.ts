import type { INotebookModel } from '@jupyterlab/notebook';
import type { IDisposable } from '@lumino/disposable';

/** How long each client that shows a shared document leaves it to the one before. */
const TURN_MS = 1_000;

/** How often what is there is looked at: far more often than turns come, or two of them meet. */
const LOOK_MS = 100;

/** What is to be written when the turn comes. */
interface IDue {
  readonly state: () => string;
  readonly write: () => void;
}

/** A change of the clients that are known: which have come. */
interface IComing {
  readonly added: readonly number[];
}

/**
 * All clients that show a shared document know what is to be written into it: the first does it, and
 * each other one that sees it undone when its turn comes.
 *
 * JupyterLab replaces an output by deleting it and inserting another. Where two clients do so at
 * once, both that they have inserted stay. So also the first one waits until nothing changes any more,
 * as the client that ran the cell has JupyterLab itself do it at once.
 */
export class Turns implements IDisposable {
  /**
   * @param model - The document.
   */
  constructor(model: INotebookModel) {
    this._awareness = model.sharedModel.awareness;
    this._awareness.on('change', this._onChange);
  }

  /** Whether no other client comes before this one. */
  get isFirst(): boolean {
    return this._rank === 0;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    this._awareness.off('change', this._onChange);
    this._timers.forEach(timer => {
      window.clearTimeout(timer);
    });
    this._timers.clear();
  }

  /**
   * Write when it is this client's turn.
   *
   * @param key - What is written: of two states of it that are due the later one counts.
   * @param state - What is to be written, and what is there. Turns are counted from its last change
   *   on, since what has just changed may do so again.
   * @param write - Writes what isn't there yet.
   */
  wait(key: string, state: () => string, write: () => void): void {
    this._due.set(key, { state, write });
    if (!this._timers.has(key)) {
      this._look(key, state(), performance.now());
    }
  }

  private _look(key: string, before: string, since: number): void {
    const look = (): void => {
      const due = this._due.get(key);
      const state = due?.state() ?? '';
      const now = performance.now();
      if (state !== before) {
        this._look(key, state, now);
        // Who comes before this client is asked as late as that: who has just come isn't known.
      } else if (now - since < TURN_MS * (1 + this._rank)) {
        this._look(key, state, since);
      } else {
        this._timers.delete(key);
        this._due.delete(key);
        due?.write();
      }
    };
    this._timers.set(key, window.setTimeout(look, LOOK_MS));
  }

  /** How many clients come before this one. The server is among them too, without a state. */
  private get _rank(): number {
    const { clientID, states } = this._awareness;
    return [...states].filter(
      ([other, state]) => other < clientID && Object.keys(state).length > 0
    ).length;
  }

  /** A client that comes tells of itself, and hears of the others only when they next do so. */
  private readonly _onChange = ({ added }: IComing): void => {
    if (added.some(client => client !== this._awareness.clientID)) {
      this._awareness.setLocalState(this._awareness.getLocalState());
    }
  };

  private _isDisposed = false;
  private readonly _awareness: INotebookModel['sharedModel']['awareness'];
  private readonly _due = new Map<string, IDue>();
  private readonly _timers = new Map<string, number>();
}
