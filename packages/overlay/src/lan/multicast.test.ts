import { createSocket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { MulticastError } from './errors.ts';
import { createOnLink, type LanNetwork, lanNetworks } from './lan-networks.ts';
import { lanGroup } from './lan-parameters.ts';
import type { HelloSource } from './lan-peer.ts';
import { type HelloSocket, openMulticast } from './multicast.ts';

const open: HelloSocket[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((socket) => socket[Symbol.asyncDispose]()));
});

const [loopback] = lanNetworks(networkInterfaces(), true) as [LanNetwork];

async function openHellos(network: LanNetwork = loopback) {
  const heard: { readonly text: string; readonly from: HelloSource }[] = [];
  const errors: MulticastError[] = [];
  const counts = { strangers: 0 };
  const socket = await openMulticast(network, {
    onHello: (bytes, from) => heard.push({ text: new TextDecoder().decode(bytes), from }),
    onError: (error) => errors.push(error),
    onStranger: () => {
      counts.strangers += 1;
    },
  });
  open.push(socket);
  return { socket, heard, errors, counts };
}

const bytes = (text: string) => new TextEncoder().encode(text);

describe('hellos by multicast', () => {
  it('reach all processes of a machine on loopback, and an answer the one that it is for', async () => {
    const [one, two, three] = [await openHellos(), await openHellos(), await openHellos()];
    const text = `hello ${process.pid}`; // others may be speaking on this machine
    one.socket.announce(bytes(text));
    const heardBy = (who: typeof one) => who.heard.find((hello) => hello.text === text);
    await expect.poll(() => [one, two, three].every(heardBy)).toBe(true);
    const from = heardBy(two)?.from as HelloSource;
    expect(from).toMatchObject({ family: 'ip4', address: '127.0.0.1', isAnswer: false });
    expect(from.port).not.toBe(lanGroup.port);
    two.socket.answer(from, bytes(`${text}, too`));
    const answers = (who: typeof one) => who.heard.filter((hello) => hello.text === `${text}, too`);
    await expect.poll(() => answers(one)).toMatchObject([{ from: { isAnswer: true } }]);
    expect(answers(two)).toEqual([]);
    expect(answers(three)).toEqual([]);
  });

  it('from elsewhere than the network are passed over', async () => {
    const { socket, heard, counts } = await openHellos({ ...loopback, cidr: '127.0.0.1/32' });
    const stranger = createSocket('udp4');
    await new Promise<void>((resolve) => stranger.bind(0, '127.0.0.9', resolve));
    stranger.send('hello', lanGroup.port, '127.0.0.1');
    await expect.poll(() => counts.strangers).toBe(1);
    expect(heard).toEqual([]);
    expect(socket.network.name).toBe(loopback.name);
    stranger.close();
  });

  it('say what is in the way: a port that another program holds, an interface that is gone, no route', async () => {
    const holder = createSocket('udp4');
    const isHeld = await new Promise<boolean>((resolve) => {
      holder.once('error', () => resolve(false)).bind(lanGroup.port, () => resolve(true));
    });
    if (isHeld) {
      await expect(openHellos()).rejects.toMatchObject({ code: 'multicast', facts: { reason: 'port-taken' } });
    }
    holder.close();
    const gone = { ...loopback, name: 'gone', address: '192.0.2.250', cidr: '192.0.2.250/24' };
    const failure = openHellos(gone);
    await expect(failure).rejects.toBeInstanceOf(MulticastError);
    await expect(failure).rejects.toMatchObject({
      facts: { reason: 'interface-gone', network: 'gone' },
      retryable: true,
    });
    const six = lanNetworks(networkInterfaces(), true).find(({ family }) => family === 'ip6');
    if (six === undefined) return; // a machine without IPv6
    const { socket, errors } = await openHellos(six).catch(() => ({ socket: undefined, errors: [] }));
    socket?.announce(bytes('hello')); // loopback has no IPv6 multicast on Linux
    if (socket !== undefined) await expect.poll(() => errors[0]?.facts['reason']).toBe('no-route');
  });
});

describe('local networks', () => {
  const info = (address: string, cidr: string, more: object = {}) => ({
    ...{ address, cidr, netmask: '', mac: '', internal: false },
    ...(address.includes(':') ? { family: 'IPv6' as const, scopeid: 3 } : { family: 'IPv4' as const }),
    ...more,
  });

  it('are those of the interfaces that lead out, IPv6 by link-local addresses', () => {
    const found = lanNetworks({
      lo: [info('127.0.0.1', '127.0.0.1/8', { internal: true }), info('::1', '::1/128', { internal: true })],
      eth0: [
        info('192.0.2.7', '192.0.2.7/24'),
        info('198.51.100.1', '198.51.100.1/24'),
        info('2001:db8::7', '2001:db8::7/64'),
        info('fe80::7', 'fe80::7%eth0/64'),
      ],
      wlan0: [info('fe80::8', 'fe80::8/64')],
      down: undefined,
    });
    expect(found.map(({ name, address, cidr }) => `${name} ${address} ${cidr}`)).toEqual([
      'eth0 192.0.2.7 192.0.2.7/24',
      'eth0 fe80::7 fe80::7/64',
      'wlan0 fe80::8 fe80::8/64',
    ]);
  });

  it('know who is on them', () => {
    const isOnLink = createOnLink({ ...loopback, cidr: '192.0.2.7/25' });
    expect(['192.0.2.1', '192.0.2.127', '192.0.2.128', '127.0.0.1'].map(isOnLink)).toEqual([true, true, false, false]);
    const isOnSix = createOnLink({ ...loopback, family: 'ip6', cidr: 'fe80::7/64' });
    expect(['fe80::1', 'fe80:1::1', '2001:db8::1'].map(isOnSix)).toEqual([true, false, false]);
  });
});
