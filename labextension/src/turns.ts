import type { INotebookModel } from '@jupyterlab/notebook';
import type { IDisposable } from '@lumino/disposable';

/** How long nothing may have changed before a client says that it is about to write. */
const QUIET_MS = 1_000;

/** How long it then waits: far longer than what it says takes to come to the others. */
const CLAIM_MS = 1_000;

/** How long a client that has lost all others waits for them, and for what they have written. */
const ALONE_MS = 10_000;

/** How often what is there is looked at. */
const LOOK_MS = 100;

/** Where a client says it: among what shared documents call the awareness of each other. */
const CLAIMS = 'caikitNbWrites';

/** What a client is about to write. */
interface IDue {
  state: () => string | null;
  write: () => void;
  /** What that was, and since when. */
  before: string | null;
  since: number;
  /** Since when the client says so; undefined if it doesn't yet. */
  claimed: number | undefined;
}

/** Which clients are gone. */
interface IGone {
  readonly removed: readonly number[];
}

/**
 * All clients that show a shared document know what is to be written into it; one of them does.
 *
 * JupyterLab replaces an output by deleting it and inserting another. Where two clients do so at
 * once, both that they have inserted stay. So who wants to write waits until nothing changes any
 * more, as the client that ran the cell has JupyterLab itself write at once; says that it is about
 * to; and writes a while later if nobody with a lower number has said the same. Which clients there
 * are nobody knows for certain: those that have just gone are among them, those that have just come
 * may not be. But who writes is there, and hears it.
 */
export class Turns implements IDisposable {
  /**
   * @param model - The document.
   */
  constructor(model: INotebookModel) {
    this._awareness = model.sharedModel.awareness;
    this._awareness.on('change', this._onChange);
    // It may be the last moment.
    window.addEventListener('beforeunload', this._hurry);
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    window.removeEventListener('beforeunload', this._hurry);
    window.clearInterval(this._timer);
    this._due.clear();
    this._tell();
    this._awareness.off('change', this._onChange);
  }

  /**
   * Write when it is this client's turn.
   *
   * @param key - What is written: of two states of it that are due the later one counts.
   * @param state - What is to be written, and what is there: what has just changed may do so again.
   *   Null if it can't be written now.
   * @param write - Writes what isn't there yet.
   */
  wait(key: string, state: () => string | null, write: () => void): void {
    const due = this._due.get(key);
    if (due) {
      Object.assign(due, { state, write });
      return;
    }
    const since = performance.now();
    const claimed = undefined;
    this._due.set(key, { state, write, before: state(), since, claimed });
    if (this._due.size === 1) {
      this._timer = window.setInterval(() => {
        this._look();
      }, LOOK_MS);
    }
  }

  private _look(): void {
    const now = performance.now();
    for (const [key, due] of this._due) {
      const state = due.state();
      if (state === null || state !== due.before) {
        Object.assign(due, { before: state, since: now, claimed: undefined });
      } else if (due.claimed === undefined) {
        due.claimed = now - due.since >= QUIET_MS ? now : undefined;
      } else if (this._isOthers() || now < this._waitsUntil) {
        // What they write may come only after the word that they have done so.
        due.claimed = now;
      } else if (now - due.claimed >= CLAIM_MS) {
        this._due.delete(key);
        due.write();
      }
    }
    this._tell();
    if (!this._due.size) {
      window.clearInterval(this._timer);
    }
  }

  private readonly _hurry = (): void => {
    for (const [key, due] of this._due) {
      if (due.state() !== null && !this._isOthers()) {
        this._due.delete(key);
        due.write();
      }
    }
  };

  /** Say whether this client is about to write, whatever: what two of them write may overlap. */
  private _tell(): void {
    const claims = [...this._due.values()].some(
      ({ claimed }) => claimed !== undefined
    );
    if (claims !== this._told) {
      this._told = claims;
      this._awareness.setLocalStateField(CLAIMS, claims);
    }
  }

  /** Whether a client that comes before this one is about to write. */
  private _isOthers(): boolean {
    const { clientID, states } = this._awareness;
    return [...states].some(
      ([other, state]) => other < clientID && state[CLAIMS] === true
    );
  }

  /** Where all others are gone at once, it is this client that has lost them. */
  private readonly _onChange = ({ removed }: IGone): void => {
    if (removed.length && this._awareness.states.size <= 1) {
      this._waitsUntil = performance.now() + ALONE_MS;
    }
  };

  private _isDisposed = false;
  private _timer = 0;
  private _told = false;
  private _waitsUntil = 0;
  private readonly _awareness: INotebookModel['sharedModel']['awareness'];
  private readonly _due = new Map<string, IDue>();
}
