import { createMemoryTables, StoreFailedError, StoreFullError, type TableStore } from '@pulsemesh/store';
import { describe, expect, it } from 'vitest';
import { watchForFailure } from './fail-stop.ts';

function failing(error: Error): TableStore {
  const tables = createMemoryTables();
  return Object.assign(tables, { commit: () => Promise.reject(error) });
}

describe('a store that is watched', () => {
  it('tells of a disk that failed, and the caller still hears it', async () => {
    const heard: unknown[] = [];
    const error = new StoreFailedError('commit', { cause: new Error('EIO') });
    const tables = watchForFailure(failing(error), (failed) => heard.push(failed));
    await expect(tables.commit([])).rejects.toBe(error);
    expect(heard).toEqual([error]);
  });

  it('says nothing of what can be tried again, nor of success', async () => {
    const heard: unknown[] = [];
    const full = new StoreFullError('size');
    await expect(watchForFailure(failing(full), (failed) => heard.push(failed)).commit([])).rejects.toBe(full);
    const tables = watchForFailure(createMemoryTables(), (failed) => heard.push(failed));
    const key = Uint8Array.of(1);
    await tables.commit([{ kind: 'put', table: 'one', key, value: key }]);
    expect(tables.get('one', key)).toEqual(key);
    expect(heard).toEqual([]);
    await tables[Symbol.asyncDispose]();
  });
});
