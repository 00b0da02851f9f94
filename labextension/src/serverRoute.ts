import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import { type KernelMessage, parseMessage } from './protocol';

/**
 * The server's account of a kernel's jobs, from what they write to disk: `unknown` if there is no
 * such thing, null if the server can't tell, as when it doesn't answer.
 */
export class ServerRoute {
  constructor(private readonly settings: ServerConnection.ISettings) {}

  /** The jobs of a kernel. */
  async jobs(kernelId: string): Promise<KernelMessage | null> {
    return this._get('kernels', kernelId, 'jobs');
  }

  /** A part of a job's log. */
  async log(
    kernelId: string,
    jobId: string,
    offset: number | null
  ): Promise<KernelMessage | null> {
    const query = offset === null ? '' : `?offset=${offset}`;
    return this._get('kernels', kernelId, 'jobs', jobId, `log${query}`);
  }

  /** The last state of a card or a table, or that it goes on in a kernel. */
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
      if (response.status === 404) {
        return { type: 'unknown', keys: [] };
      }
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
