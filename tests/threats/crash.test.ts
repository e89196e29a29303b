import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { node } from '../e2e/demo-process.ts';
import { temporaryDirectory } from './whole-node.ts';

const program = fileURLToPath(new URL('crashing-node.ts', import.meta.url));

describe('row 53: a node that stops because of a bug', () => {
  it.each(['thrown', 'rejected', 'rejected with a text'])('says where, not what it had in hands (%s)', (how) => {
    using place = temporaryDirectory();
    const { status, stdout, stderr } = spawnSync(node, [program, place.path, how], { encoding: 'utf8', input: '' });
    const log = readFileSync(join(place.path, 'node.log'), 'utf8');
    expect(status).toBe(70);
    expect(log).toContain('a bug stops the node');
    expect(stderr).toMatch(how === 'rejected with a text' ? /thrown: string/ : /Error at .*crashing-node\.ts/);
    expect(log + stdout + stderr).not.toMatch(/Marker|137\.2/);
  });
});
