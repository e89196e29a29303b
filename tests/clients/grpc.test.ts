import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { toHex } from '@pulsemesh/wire';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type HomeAgent, type RelayWorld, startRelayWorld } from './relay-world.ts';

const example = fileURLToPath(new URL('../../examples/grpc-link.ts', import.meta.url));

describe.each([
  { hasTls: true, name: 'TLS' },
  { hasTls: false, name: 'plaintext' },
])('a stock gRPC client over $name', ({ hasTls }) => {
  let world: RelayWorld;
  let home: HomeAgent;
  beforeAll(async () => {
    world = await startRelayWorld({ hasTls });
    home = await world.connectHome();
  });
  afterAll(() => world[Symbol.asyncDispose]());

  async function ask(serverKey: Uint8Array, name: string): Promise<string> {
    const place = `localhost:${world.server.link.port}`;
    const trust = hasTls ? [world.caFile] : [];
    const args = [example, place, toHex(serverKey), home.client.address, name, 'how is ward 7?', ...trust];
    return (await promisify(execFile)(process.execPath, args, { timeout: 50_000 })).stdout;
  }

  it('logs in, seals, and has its question answered', async () => {
    expect(await ask(world.identity.publicKey, 'upper')).toBe('HOW IS WARD 7?\n');
  });

  it('is told when nobody serves what it asks for', async () => {
    await expect(ask(world.identity.publicKey, 'nothing')).rejects.toThrow('peer-refused');
  });

  it('refuses a relay with another key', async () => {
    await expect(ask(home.identity.publicKey, 'upper')).rejects.toThrow('another relay');
  });
});
