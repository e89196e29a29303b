import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { choosePorts } from './ports.ts';

it('keeps the ports it had, and says where it had to go when one is taken', async () => {
  const first = await choosePorts(['mqtt', 'http'], {});
  expect(new Set(Object.values(first.ports)).size).toBe(2);
  const again = await choosePorts(['mqtt', 'http'], first.ports);
  expect(again).toEqual({ ports: first.ports, moved: [] });

  const squatter = createServer().listen(0, '127.0.0.1');
  await once(squatter, 'listening');
  const { port } = squatter.address() as AddressInfo;
  const third = await choosePorts(['mqtt'], { mqtt: port });
  expect(third.moved).toEqual([{ name: 'mqtt', from: port, to: third.ports['mqtt'] }]);
  squatter.close();
});

it('never gives one port to two names', async () => {
  const { ports } = await choosePorts(['a'], {});
  const both = await choosePorts(['a', 'b'], { a: ports['a'] ?? 0, b: ports['a'] ?? 0 });
  expect(both.ports['a']).not.toBe(both.ports['b']);
});
