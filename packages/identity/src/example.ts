import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSystemRandom } from '@pulsemesh/base';
import { loadOrCreateIdentity } from '@pulsemesh/identity';

const directory = await mkdtemp(join(tmpdir(), 'pulsemesh-example-'));
const where = { file: join(directory, 'state', 'identity'), keyFile: join(directory, 'keys', 'node.key') };
const made = await loadOrCreateIdentity(where, { random: createSystemRandom() });
const found = await loadOrCreateIdentity(where, { random: createSystemRandom() });

assert.equal(found.peerId, made.peerId);
assert.equal(found.sign(Uint8Array.of(1)).length, 64);
await rm(directory, { recursive: true });
