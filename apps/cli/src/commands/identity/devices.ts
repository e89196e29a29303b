import { writeFile } from 'node:fs/promises';
import {
  createDeviceList,
  type DeviceList,
  deviceRequestFromText,
  deviceRequestToText,
  isCardName,
  loadIdentity,
  readDeviceListFile,
  requestDevice,
  writeDeviceListFile,
} from '@pulsemesh/identity';
import type { Command } from 'commander';
import { type Output, table, UsageError } from '../../output.ts';
import type { Terminal } from '../../terminal.ts';
import { renewCard } from './card.ts';
import { readText } from './contacts.ts';
import { type PlaceFlags, parsePeer, placeOf, withPlaceFlags } from './place.ts';

/** `pulsemesh identity devices`: several machines of one person, each with its own key. */
export function addDevices(identity: Command, output: Output, terminal: Terminal): void {
  const devices = identity
    .command('devices')
    .summary('several devices of one person, each with its own key')
    .description(
      'Each device makes its own identity and asks to be yours; you say yes where your own identity lies. A lost device is\n' +
        'removed there: its key counts no more for whoever gets the new list.',
    )
    .addHelpText(
      'after',
      `
Example:
  on the tablet     $ pulsemesh identity create
                    $ pulsemesh identity devices request --person 12D3KooW… --name tablet --file tablet.request
  where you are     $ pulsemesh identity devices add tablet.request`,
    );
  addRequest(devices, output);
  withPlaceFlags(devices.command('list'))
    .summary('the devices in force')
    .action(async (flags: PlaceFlags) => {
      const place = placeOf(flags);
      const { peerId } = await loadIdentity(place.options, place.deps);
      show(await readDeviceListFile(place.devices, peerId), flags, output);
    });
  withPlaceFlags(devices.command('add'))
    .argument('<file>', "a device's request; - reads it from standard input")
    .summary('say yes to a device')
    .action(async (file: string, flags: PlaceFlags) => {
      const add = deviceRequestFromText(file === '-' ? await terminal.readInput() : readText(file));
      show(await change(flags, { add: [add] }), flags, output);
    });
  withPlaceFlags(devices.command('remove'))
    .argument('<peer-id>')
    .summary('remove a device, for ever')
    .action(async (peer: string, flags: PlaceFlags) => {
      show(await change(flags, { remove: [parsePeer(peer)] }), flags, output);
    });
}

function addRequest(devices: Command, output: Output): void {
  withPlaceFlags(devices.command('request'))
    .summary('on the new device: ask to be one of a person’s')
    .requiredOption('--person <peer-id>', "the person's peer id")
    .option('--name <text>', 'what to call this device')
    .option('--file <file>', 'where to write the request (default: standard output)')
    .action(async (flags: PlaceFlags & { readonly person: string; readonly name?: string; readonly file?: string }) => {
      if (flags.name !== undefined && !isCardName(flags.name)) throw new UsageError('this cannot be a name');
      const { options, deps } = placeOf(flags);
      const device = await loadIdentity(options, deps);
      const facts = { person: parsePeer(flags.person), name: flags.name ?? null };
      const text = deviceRequestToText(requestDevice(device, facts, deps));
      if (flags.file !== undefined) await writeFile(flags.file, `${text}\n`);
      if (flags.json) output.out(JSON.stringify({ device: device.peerId, ...facts, request: text }, null, 2));
      else if (flags.file === undefined) output.out(text);
    });
}

async function change(flags: PlaceFlags, changes: Parameters<typeof createDeviceList>[2]): Promise<DeviceList> {
  const place = placeOf(flags);
  const person = await loadIdentity(place.options, place.deps);
  const previous = await readDeviceListFile(place.devices, person.peerId);
  const list = createDeviceList(person, previous, changes, place.deps);
  await writeDeviceListFile(place.devices, list, place.deps);
  await renewCard(place, person);
  return list;
}

function show(list: DeviceList | null, flags: PlaceFlags, output: Output): void {
  const lines = flags.json ? [JSON.stringify(viewOf(list), null, 2)] : linesOf(list);
  for (const line of lines) output.out(line);
}

function viewOf(list: DeviceList | null) {
  const devices = (list?.devices ?? []).map(({ peerId, name, createdMs }) => ({ peerId, name, createdMs }));
  return { version: list?.version ?? 0, devices, removed: list?.removed ?? [] };
}

function linesOf(list: DeviceList | null): readonly string[] {
  const { devices, removed } = viewOf(list);
  const rows = devices.map((device) => [
    device.name ?? '',
    new Date(device.createdMs).toISOString().slice(0, 10),
    device.peerId,
  ]);
  return [
    ...(rows.length > 0
      ? table([['name', 'since', 'peer'], ...rows])
      : ['No devices yet: `pulsemesh identity devices --help` tells how.']),
    ...(removed.length > 0 ? [`${removed.length} removed`] : []),
  ];
}
