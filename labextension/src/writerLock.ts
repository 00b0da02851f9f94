import type { IDisposable } from '@lumino/disposable';

/**
 * One of a browser's windows that show a document writes it; another one when that is closed.
 *
 * Where two of them save, JupyterLab asks which of them is right.
 */
export class WriterLock implements IDisposable {
  /**
   * @param path - The document.
   * @param onMine - Called when it has become this window's.
   */
  constructor(
    path: string,
    private readonly onMine: () => void
  ) {
    // Only where the page came by a secure way.
    if (!('locks' in navigator)) {
      this._isMine = true;
      return;
    }
    const { signal } = this._asking;
    navigator.locks
      .request(`caikit-nb:${path}`, { signal }, () => this._hold())
      // It isn't waited for any more.
      .catch(() => undefined);
  }

  get isMine(): boolean {
    return this._isMine;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    this._isMine = false;
    this._asking.abort();
    this._release();
  }

  private _hold(): Promise<void> | undefined {
    if (this._isDisposed) {
      return undefined;
    }
    this._isMine = true;
    this.onMine();
    return new Promise(resolve => {
      this._release = resolve;
    });
  }

  private _isMine = false;
  private _isDisposed = false;
  private _release = (): void => undefined;
  private readonly _asking = new AbortController();
}
