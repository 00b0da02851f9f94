import type { ISessionContext } from '@jupyterlab/apputils';
import type { Widget } from '@lumino/widgets';

import { hasEnded } from './protocol';
import type { IJobs } from './tokens';

/**
 * How many jobs would end with a session's kernel.
 *
 * A kernel may have several sessions: of notebooks, open or closed, and of consoles.
 */
export function countEnding(
  jobs: Pick<IJobs, 'sources'>,
  context: ISessionContext
): number {
  const kernelId = context.session?.kernel?.id;
  const active = jobs.sources
    .filter(source => !!kernelId && source.kernelId === kernelId)
    .flatMap(source => source.jobs)
    .filter(job => !hasEnded(job.status));
  return new Set(active.map(job => job.id)).size;
}

/** The session of a notebook or a console; null if a widget is neither. */
export function sessionOf(widget: Widget | null): ISessionContext | null {
  // By what both have: who has no consoles needs none of their package.
  const { sessionContext } = (widget ?? {}) as Partial<{
    sessionContext: ISessionContext;
  }>;
  return sessionContext ?? null;
}
