import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import { type KernelMessage, parseMessage } from './protocol';

/** The server's account of a kernel's jobs, from what they write to disk. */
export class ServerRoute {
  constructor(private readonly settings: ServerConnection.ISettings) {}

  /** The jobs of a kernel; null if the server can't tell. */
  async jobs(kernelId: string): Promise<KernelMessage | null> {
    return this._get('kernels', kernelId, 'jobs');
  }

  /** A part of a job's log; null if the server can't tell. */
  async log(
    kernelId: string,
    jobId: string,
    offset: number | null
  ): Promise<KernelMessage | null> {
    const query = offset === null ? '' : `?offset=${offset}`;
    return this._get('kernels', kernelId, 'jobs', jobId, `log${query}`);
  }

  /** The last state of a card or a table, or that its kernel lives; null if nothing is known. */
  async view(key: string): Promise<KernelMessage | null> {
    return this._get('views', key);
  }

  private async _get(...path: string[]): Promise<KernelMessage | null> {
    const url = URLExt.join(this.settings.baseUrl, 'caikit-nb', ...path);
    try {
      const response = await ServerConnection.makeRequest(
        url,
        {},
        this.settings
      );
      if (!response.ok) {
        return null;
      }
      const parsed = parseMessage(await response.json());
      return parsed.kind === 'message' ? parsed.message : null;
    } catch {
      // The server is gone for the moment, which JupyterLab itself says.
      return null;
    }
  }
}
