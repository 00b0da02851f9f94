import { beforeEach, describe, expect, it } from 'vitest';

import { JobList } from '../src/jobList';
import { state } from './states';

let list: JobList;

beforeEach(() => {
  list = new JobList(() => 5);
});

describe('JobList', () => {
  it('takes what was there before as no news', () => {
    const news = list.replace([state({ status: 'COMPLETED' })], []);
    expect(news).toEqual({ added: [], ended: [] });
    expect(list.jobs).toMatchObject([{ id: 'a', heardAt: 5 }]);
  });

  it('tells of a job that comes and of its end', () => {
    list.replace([], []);
    expect(list.update([state()], []).added).toMatchObject([{ id: 'a' }]);
    const { added, ended } = list.update([state({ status: 'ERRORED' })], []);
    expect(added).toEqual([]);
    expect(ended).toMatchObject([{ id: 'a', status: 'ERRORED' }]);
  });

  it('tells once of an end', () => {
    list.replace([state()], []);
    list.update([state({ status: 'COMPLETED' })], []);
    expect(list.update([state({ status: 'COMPLETED' })], []).ended).toEqual([]);
  });

  it('tells of a job that came and ended unseen', () => {
    list.clear(true);
    const { added, ended } = list.replace([state({ status: 'COMPLETED' })], []);
    expect(added).toHaveLength(1);
    expect(ended).toHaveLength(1);
  });

  it('forgets a job that is not told of any more', () => {
    list.replace([state(), state({ id: 'b' })], []);
    list.replace([state({ id: 'b' })], []);
    expect(list.jobs.map(job => job.id)).toEqual(['b']);
  });

  it('numbers those that wait, anew with every message', () => {
    const waiting = ['b', 'c'].map(id => state({ id, status: 'QUEUED' }));
    list.replace([state(), ...waiting], ['b', 'c']);
    expect(list.get('c')?.position).toBe(2);
    list.update([state({ id: 'b' })], ['c']);
    expect(list.get('c')?.position).toBe(1);
    expect(list.get('b')?.position).toBeNull();
  });

  it('has the oldest first', () => {
    list.replace([state({ id: 'b', submissionTime: '2026-01-02' })], []);
    list.update([state({ id: 'a', submissionTime: '2026-01-01' })], []);
    expect(list.jobs.map(job => job.id)).toEqual(['a', 'b']);
  });
});
