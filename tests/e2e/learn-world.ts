import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSeededRandom, createSystemClock, createSystemRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import type { BoardClient } from '@pulsemesh/board/client';
import { parsePolicyFile } from '@pulsemesh/board/client';
import { openBoard } from '@pulsemesh/node/board';
import { makeLoopbackCertificate, startHospitalProxy } from '@pulsemesh/node/testing';
import { generateRecording } from '@pulsemesh/vitals/recordings';
import { CommandProcess } from './demo-process.ts';

const clock = createSystemClock();

/** A party that enrolled: the flags by which each of its commands finds itself, relay and board. */
export interface EnrolledParty {
  readonly name: string;
  readonly peer: string;
  readonly directory: string;
  readonly data: string;
  readonly flags: readonly string[];
}

/** Relay with an authority, board, a study office and three hospitals, of which South has an inspecting proxy and nothing else. */
export interface LearnWorld {
  readonly office: EnrolledParty;
  readonly hospitals: readonly [EnrolledParty, EnrolledParty, EnrolledParty];
  /** Who only looks. */
  readonly reader: readonly string[];
  /** The board as this process follows it. */
  readonly board: BoardClient;
}

/** Runs a command to its end. @throws with all that it wrote unless it ends well. */
export async function command(args: readonly string[], code = 0): Promise<string> {
  await using running = new CommandProcess(args);
  const ended = await running.exited;
  if (ended !== code) throw new Error(`${args.slice(0, 2).join(' ')} ended with ${ended}:\n${running.text}`);
  return running.text.trim();
}

async function certificateFiles(directory: string, name: string) {
  const made = await makeLoopbackCertificate(name, clock.now(), 2);
  const file = (part: 'ca' | 'cert' | 'key') => {
    writeFileSync(join(directory, `${name}.${part}.pem`), made[part], { mode: 0o600 });
    return join(directory, `${name}.${part}.pem`);
  };
  return { ...made, caFile: file('ca'), tls: ['--tls-cert', file('cert'), '--tls-key', file('key')] };
}

/** Starts all of it; everything ends with `stack`. */
export async function startLearnWorld(directory: string, stack: AsyncDisposableStack): Promise<LearnWorld> {
  const servers = await certificateFiles(directory, 'servers');
  const relayData = join(directory, 'relay');
  const boardData = join(directory, 'board');
  await command(['authority', 'init', '--organisation', 'St. Mary', '--data', relayData]);
  const level = ['--log-level', 'error'];
  const relayArgs = ['relay', '--data', relayData, '--port', '0', ...servers.tls, ...level];
  const relay = stack.use(new CommandProcess(relayArgs));
  const boardArgs = ['board', 'serve', '--data', boardData, '--port', '0', ...servers.tls];
  const boardProcess = stack.use(new CommandProcess(boardArgs));
  const [, relayPort = ''] = await relay.seen(/"listening":"https:\/\/[^"]*?:(\d+)/);
  const [, boardUrl = '', key = ''] = await boardProcess.seen(/"listening":"([^"]+)","key":"([^"]+)"/);
  const targets = [relayPort, new URL(boardUrl).port].map((port) => ({
    host: '127.0.0.1',
    port: Number(port),
    ca: servers.ca,
  }));
  const inspecting = await certificateFiles(directory, 'proxy');
  const proxy = stack.use(await startHospitalProxy({ host: '127.0.0.1', port: 0, targets, certificate: inspecting }));
  const policy = join(directory, 'policy.json');
  const direct = ['--ca', servers.caFile];
  const through = ['--proxy', `http://127.0.0.1:${proxy.port}`, '--ca', inspecting.caFile];
  await command(['board', 'init', boardUrl, key, '--policy', policy]);
  const enrol = async (name: string, way: readonly string[]): Promise<EnrolledParty> => {
    const at = join(directory, name);
    const data = join(at, 'agent');
    mkdirSync(data, { recursive: true, mode: 0o700 });
    const said = await command(['authority', 'token', '--organisation', name, '--data', relayData]);
    const token = /pm1\.\S+/.exec(said)?.[0] ?? '';
    const { enrolled } = JSON.parse(await command(['enrol', token, '--json', '--data', data, ...way]));
    await command(['board', 'admit', enrolled, '--data', boardData]);
    return { name, peer: enrolled, directory: at, data, flags: ['--data', data, '--policy', policy, ...way] };
  };
  const [office, north, east, south] = await Promise.all([
    enrol('Office', direct),
    enrol('North', direct),
    enrol('East', direct),
    enrol('South', through),
  ]);
  const place = parsePolicyFile(await import('node:fs/promises').then(({ readFile }) => readFile(policy, 'utf8')));
  const deps = { clock, random: createSystemRandom(), logger: silentLogger, meter: silentMeter };
  const network = { proxy: { kind: 'none' }, trust: { caFiles: [servers.caFile] } } as const;
  const board = stack.use(
    await openBoard({ ...place, dataDirectory: join(directory, 'look'), network, followMs: 200 }, deps),
  );
  return { office, hospitals: [north, east, south], reader: ['--policy', policy, ...direct], board };
}

/** Recordings of made-up hearts in a folder of the party, and its register of consents to a purpose. */
export function bringHearts(party: EnrolledParty, seed: number, patients: number): readonly string[] {
  const folder = join(party.directory, 'recordings');
  mkdirSync(folder, { recursive: true });
  const names = Array.from({ length: patients }, (_, patient) => `${party.name.toLowerCase()}${patient}`);
  for (const [patient, name] of names.entries()) {
    const stretches = [
      { rhythm: 'sinus', seconds: 400 },
      { rhythm: patient % 2 === 0 ? 'fibrillation' : 'ectopy', seconds: 300 },
    ] as const;
    const recording = generateRecording({ name, stretches }, { random: createSeededRandom(seed * 100 + patient) });
    const changes = recording.rhythms.map(({ atSeconds, rhythm }) => ({ atMs: atSeconds * 1000, rhythm }));
    let elapsedMs = 0;
    const lines = Array.from(recording.rrMs, (rr) => {
      const change = changes[0] !== undefined && changes[0].atMs <= elapsedMs + 1e-6 ? changes.shift() : undefined;
      elapsedMs += rr;
      return change === undefined ? String(rr) : `${rr},${change.rhythm}`;
    });
    writeFileSync(join(folder, `${name}.rr.csv`), `rr_ms,rhythm\n${lines.join('\n')}\n`);
  }
  return ['--recordings', folder, '--consents', writeConsents(party, names, 'research/rhythm')];
}

/** The register of consents, with everybody's yes to a purpose. */
export function writeConsents(party: EnrolledParty, patients: readonly string[], purpose: string): string {
  const rows = patients.map((patient, index) => ({
    id: index.toString(16).padStart(64, '0'),
    patient,
    purposes: [purpose],
    from: '2020-01-01T00:00:00Z',
    until: '2100-01-01T00:00:00Z',
  }));
  const file = join(party.directory, `${purpose.replace('/', '-')}.json`);
  writeFileSync(file, JSON.stringify(rows));
  return file;
}
