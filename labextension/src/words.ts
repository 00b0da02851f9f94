import type { TranslationBundle } from '@jupyterlab/translation';

import type { IJob } from './jobList';
import type { IBar, Status } from './protocol';

/** The card's own signs, so that one knows them again. */
export const SIGNS: Readonly<Record<Status, string>> = {
  QUEUED: '◔',
  RUNNING: '●',
  COMPLETED: '✓',
  CANCELED: '⊘',
  ERRORED: '✗',
  PRUNED: '✂'
};

/** A job's state in a word or two. */
export function stateWords(job: IJob, trans: TranslationBundle): string {
  switch (job.status) {
    case 'QUEUED':
      return job.position === null
        ? trans.__('queued')
        : trans.__('queued, number %1', job.position);
    case 'RUNNING':
      return trans.__('running');
    case 'COMPLETED':
      return trans.__('completed');
    case 'CANCELED':
      return trans.__('cancelled');
    case 'ERRORED':
      return trans.__('failed');
    case 'PRUNED':
      return trans.__('pruned');
  }
}

/** Seconds a job has run by now. */
export function elapsedS(job: IJob, now: number): number {
  const since = job.status === 'RUNNING' ? (now - job.heardAt) / 1000 : 0;
  return job.elapsedS + Math.max(0, since);
}

/** The same in words, in whole seconds while it runs; empty before it has begun. */
export function elapsedWords(
  job: IJob,
  now: number,
  trans: TranslationBundle
): string {
  const elapsed = elapsedS(job, now);
  if (elapsed === 0) {
    return '';
  }
  const shown = job.status === 'RUNNING' ? Math.floor(elapsed) : elapsed;
  return durationWords(shown, trans);
}

/** A duration as people read it, rounded as in `caikit_nb/jobs/durations.py`. */
export function durationWords(
  seconds: number,
  trans: TranslationBundle
): string {
  if (seconds < 0.0005) {
    return trans.__('%1 s', 0);
  }
  if (seconds < 0.0995) {
    const digits = seconds < 0.00995 ? 1 : 0;
    return trans.__('%1 ms', Number((seconds * 1000).toFixed(digits)));
  }
  if (seconds < 9.95) {
    const digits = seconds < 0.995 ? 2 : 1;
    return trans.__('%1 s', Number(seconds.toFixed(digits)));
  }
  const whole = Math.round(seconds);
  const [minutes, hours] = [Math.floor(whole / 60), Math.floor(whole / 3600)];
  const days = Math.floor(hours / 24);
  if (days > 0) {
    return hours % 24
      ? trans.__('%1 d %2 h', days, hours % 24)
      : trans.__('%1 d', days);
  }
  if (hours > 0) {
    return trans.__('%1 h %2 min', hours, padded(minutes % 60));
  }
  if (minutes > 0) {
    return trans.__('%1 min %2 s', minutes, padded(whole % 60));
  }
  return trans.__('%1 s', whole);
}

/** The bar that says how far a job is: the outermost open one, else the last. */
export function mainBar(job: IJob): IBar | null {
  return job.bars.find(bar => !bar.closed) ?? job.bars.at(-1) ?? null;
}

/** The part of a bar that is done, 0 to 1; null if its total is unknown. */
export function fraction(bar: IBar): number | null {
  return bar.total ? Math.min(1, Math.max(0, bar.n / bar.total)) : null;
}

function padded(value: number): string {
  return String(value).padStart(2, '0');
}
