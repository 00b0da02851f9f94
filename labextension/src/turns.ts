import type { INotebookModel } from '@jupyterlab/notebook';
import type { IDisposable } from '@lumino/disposable';

/** How long nothing may have changed before a client says that it is about to write. */
const QUIET_MS = 1_000;

/** How long it then waits: far longer than what it says takes to come to the others. */
const CLAIM_MS = 1_000;

/** How often what is there is looked at. */
const LOOK_MS = 100;

/** Where a client says it: among what shared documents call the awareness of each other. */
const CLAIMS = 'caikitNbWrites';

/** What a client is about to write. */
interface IDue {
  state: () => string;
  write: () => void;
  /** What that was, and since when. */
  before: string;
  since: number;
  /** Since when the client says so; undefined if it doesn't yet. */
  claimed: number | undefined;
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
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    window.clearInterval(this._timer);
    this._due.clear();
    this._tell();
  }

  /**
   * Write when it is this client's turn.
   *
   * @param key - What is written: of two states of it that are due the later one counts.
   * @param state - What is to be written, and what is there: what has just changed may do so again.
   * @param write - Writes what isn't there yet.
   */
  wait(key: string, state: () => string, write: () => void): void {
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
      if (state !== due.before) {
        Object.assign(due, { before: state, since: now, claimed: undefined });
      } else if (due.claimed === undefined) {
        due.claimed = now - due.since >= QUIET_MS ? now : undefined;
      } else if (now - due.claimed >= CLAIM_MS && !this._isOthers(key)) {
        this._due.delete(key);
        due.write();
      }
    }
    this._tell();
    if (!this._due.size) {
      window.clearInterval(this._timer);
    }
  }

  private _tell(): void {
    const claims = [...this._due]
      .filter(([, { claimed }]) => claimed !== undefined)
      .map(([key]) => key);
    if (claims.join() !== this._told.join()) {
      this._told = claims;
      this._awareness.setLocalStateField(CLAIMS, claims);
    }
  }

  /** Whether a client that comes before this one is about to write it. */
  private _isOthers(key: string): boolean {
    const { clientID, states } = this._awareness;
    return [...states].some(([other, state]) => {
      const claims: unknown = state[CLAIMS];
      return other < clientID && Array.isArray(claims) && claims.includes(key);
    });
  }

  private _isDisposed = false;
  private _timer = 0;
  private _told: string[] = [];
  private readonly _awareness: INotebookModel['sharedModel']['awareness'];
  private readonly _due = new Map<string, IDue>();
}
