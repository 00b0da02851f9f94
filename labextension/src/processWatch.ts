import type { Kernel, KernelMessage } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';
import { type ISignal, Signal } from '@lumino/signaling';

/**
 * Tells when a kernel has got another process: what lived in the one before is gone.
 *
 * JupyterLab tells the window that asks for a restart. The others, and all of them if a program
 * asks the server for it, see it by the session that a process names in each of its messages.
 */
export class ProcessWatch implements IDisposable {
  constructor(private readonly kernel: Kernel.IKernelConnection) {
    kernel.statusChanged.connect(this._onStatus, this);
    kernel.iopubMessage.connect(this._onMessage, this);
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** It may be told twice of one process, and is told before the new one's first message. */
  get replaced(): ISignal<this, void> {
    return this._replaced;
  }

  dispose(): void {
    this._isDisposed = true;
    this.kernel.statusChanged.disconnect(this._onStatus, this);
    this.kernel.iopubMessage.disconnect(this._onMessage, this);
    Signal.clearData(this);
  }

  private _onStatus(_: unknown, status: Kernel.Status): void {
    if (isOfServer(status)) {
      this._session = '';
      this._replaced.emit();
    }
  }

  private _onMessage(_: unknown, message: KernelMessage.IMessage): void {
    if (isFromServer(message)) {
      return;
    }
    const before = this._session;
    this._session = message.header.session;
    if (before && before !== this._session) {
      this._replaced.emit();
    }
  }

  private _session = '';
  private _isDisposed = false;
  private readonly _replaced = new Signal<this, void>(this);
}

/** Whether a status is one that a kernel can't tell of itself. */
function isOfServer(status: string): boolean {
  return ['restarting', 'autorestarting', 'dead'].includes(status);
}

/** Whether it is the server, with a session of its own, that speaks for the kernel. */
function isFromServer({ header, content }: KernelMessage.IMessage): boolean {
  return (
    header.msg_type === 'status' &&
    'execution_state' in content &&
    isOfServer(String(content.execution_state))
  );
}
