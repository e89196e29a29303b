import { mkdirSync, mkdtempSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPrometheusMeter, createSystemClock, createSystemRandom, silentLogger } from '@pulsemesh/base';
import { describe, expect, it } from 'vitest';
import { parseNodeConfig } from '../config/node-config.ts';
import { openInterestFile } from './interest-file.ts';
import { startNode } from './start-node.ts';

const directory = () => mkdtempSync(join(tmpdir(), 'pulsemesh-interests-'));
const errors: string[] = [];
const logger = { ...silentLogger, error: (message: string) => errors.push(message) };

describe('what a node told of its interests', () => {
  it('is nothing at first, and then what was saved last, for the owner alone', () => {
    const folder = directory();
    const kept = openInterestFile(join(folder, 'interests'), { logger });
    expect(kept.load()).toBeUndefined();
    for (const state of [Uint8Array.of(1, 2, 3), Uint8Array.of(4)]) {
      kept.save(state);
      expect(kept.load()).toEqual(state);
    }
    expect(readdirSync(folder)).toEqual(['interests']);
    if (process.platform !== 'win32') expect(statSync(join(folder, 'interests')).mode & 0o777).toBe(0o600);
  });

  it('is logged, and the node goes on, where it cannot be saved', () => {
    const folder = directory();
    const file = join(folder, 'interests');
    mkdirSync(file);
    openInterestFile(file, { logger }).save(Uint8Array.of(1));
    expect(errors).toEqual(['what was told of interests could not be saved']);
  });

  it.each([
    ['of other bytes', new Uint8Array(100)],
    ['that is far too long', new Uint8Array(1024 * 1024)],
  ])('stops the start where it is a file %s, instead of being told anew', async (_what, bytes) => {
    const dataDirectory = directory();
    writeFileSync(join(dataDirectory, 'interests'), bytes);
    const config = parseNodeConfig({ name: 'one', roles: ['prediction'], dataDirectory });
    const meter = createPrometheusMeter({ role: 'prediction', instance: 'one' });
    const deps = { clock: createSystemClock(), random: createSystemRandom(), logger: silentLogger, meter };
    const starting = startNode(config, { passphrase: null, smtpPassword: null }, deps);
    await expect(starting).rejects.toMatchObject({ code: 'interest-state-refused' });
  });
});
