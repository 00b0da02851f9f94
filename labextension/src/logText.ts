/** Text that comes in parts, as lines that are whole and one that isn't yet. */
export class LogText {
  /** The line that has not ended. */
  get rest(): string {
    return played(this._rest);
  }

  /** Take a part; returns the lines that are whole by it, with their ends. */
  add(text: string): string {
    const all = (this._rest + text).replaceAll('\r\n', '\n');
    const end = all.lastIndexOf('\n') + 1;
    this._rest = all.slice(end);
    return played(all.slice(0, end));
  }

  private _rest = '';
}

/** What a terminal shows where a carriage return begins a line anew. */
function played(text: string): string {
  return text.replace(/[^\n]*\r(?=[^\n])/g, '').replaceAll('\r', '');
}
