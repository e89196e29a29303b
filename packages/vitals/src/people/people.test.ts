import { Condition, createSeededRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { createBox } from '@pulsemesh/crypto';
import { createRpcClient, type SubjectId } from '@pulsemesh/network';
import { createMemoryNetwork } from '@pulsemesh/network/testing';
import { createMemoryTables, type TableStore } from '@pulsemesh/store';
import { describe, expect, it } from 'vitest';
import type { UserId } from '../readings/reading.ts';
import { openPeopleDirectory, type PeopleDirectory } from './directory.ts';
import { parsePatientInput } from './patient.ts';
import { createPeopleClient } from './remote-people.ts';
import { servePeople } from './serve-people.ts';

const random = createSeededRandom(1);
const boxKey = random.bytes(32);
const box = createBox(boxKey, { random });
const ada = {
  userId: 'watch-1',
  name: 'Ada Example',
  email: 'ada@example.org',
  language: 'en',
  doctor: { name: 'Dr. Bo', email: 'bo@example.org', language: 'de' },
  tells: { patient: true, doctor: true },
  device: { kind: 'live' },
};

function inputOf(changes: object = {}) {
  return parsePatientInput({ ...ada, ...changes });
}

function openDirectory(tables: TableStore = createMemoryTables(), limits = {}): Promise<PeopleDirectory> {
  return openPeopleDirectory(limits, { tables, box, random });
}

function user(name: string): UserId {
  return name as UserId;
}

describe('parsePatientInput', () => {
  it.each([
    ['name', { name: '' }],
    ['name', { name: 'x'.repeat(201) }],
    ['name', { name: 'Ada\r\nBcc: all@example.org' }],
    ['name', { name: 'Ada\u202e' }],
    ['email', { email: 'ada' }],
    ['email', { email: 'ada@example.org\nBcc: b@example.org' }],
    ['email', { email: 'ada@example.org, b@example.org' }],
    ['email', { email: `${'a'.repeat(64)}@${'b.'.repeat(100)}org` }],
    ['language', { language: 'xx' }],
    ['doctor.email', { doctor: { ...ada.doctor, email: '<bo@example.org>' } }],
    ['doctor', { doctor: 'Bo' }],
    ['tells.patient', { tells: { patient: 1, doctor: true } }],
    ['device.kind', { device: { kind: 'fake' } }],
    ['userId', { userId: 'a b' }],
    ['patient', null],
  ])('refuses a wrong %s without repeating it', (field, changes) => {
    const parse = () => parsePatientInput(changes === null ? null : { ...ada, ...changes });
    expect(parse).toThrow(expect.objectContaining({ code: 'patient-invalid', facts: { field } }));
  });

  it('takes names of any script and a patient without a doctor', () => {
    expect(inputOf({ name: ' 山田 太郎 ', doctor: null })).toMatchObject({ name: '山田 太郎', doctor: null });
  });
});

describe('the people directory', () => {
  it('keeps what was registered over a restart, sealed', async () => {
    const tables = createMemoryTables();
    const first = await openDirectory(tables);
    const patient = await first.register(inputOf());
    const second = await openDirectory(tables);
    expect(second.list()).toHaveLength(1);
    expect(second.bySubject(patient.subjectId)).toMatchObject({ input: ada, isRegistered: true, deviceKind: 'live' });
    expect(second.epoch).toBe(first.epoch);
    expect(second.version).toBe(first.version);
    const rows = ['people.patients', 'people.meta'].flatMap((table) => [...tables.range(table)]);
    const onDisk = rows.map(({ key, value }) => Buffer.concat([key, value]).toString('latin1')).join();
    for (const secret of ['Ada', 'watch-1', 'example.org']) expect(onDisk).not.toContain(secret);
  });

  it('does not open with another key', async () => {
    const tables = createMemoryTables();
    await (await openDirectory(tables)).register(inputOf());
    const other = createBox(random.bytes(32), { random });
    await expect(openPeopleDirectory({}, { tables, box: other, random })).rejects.toBeInstanceOf(Condition);
  });

  it('keeps an unknown wearer as unregistered, and its pseudonym once registered', async () => {
    const directory = await openDirectory();
    const wearer = (await directory.resolve([user('watch-1')])).get(user('watch-1'));
    expect(wearer).toMatchObject({ isRegistered: false, input: null });
    expect(directory.contacts(wearer?.subjectId as SubjectId)).toMatchObject({ patient: null, doctor: null });
    const patient = await directory.register(inputOf());
    expect(patient.subjectId).toBe(wearer?.subjectId);
    expect(patient.keyTree.subjectId).toBe(patient.subjectId);
    expect(directory.contacts(patient.subjectId)).toMatchObject({ patient: { email: 'ada@example.org' } });
  });

  it('refuses a second patient for one device, also when both come at once', async () => {
    const directory = await openDirectory();
    const both = await Promise.allSettled([
      directory.register(inputOf()),
      directory.register(inputOf({ name: 'Eve' })),
    ]);
    expect(both.map((result) => result.status)).toEqual(['fulfilled', 'rejected']);
    expect(both[1]).toMatchObject({ reason: { code: 'user-id-taken' } });
    expect(directory.list()).toHaveLength(1);
  });

  it('updates a patient and binds it to another device', async () => {
    const directory = await openDirectory();
    const { subjectId } = await directory.register(inputOf());
    await directory.register(inputOf({ userId: 'watch-2' }));
    await directory.update(subjectId, inputOf({ userId: 'watch-3', device: { kind: 'replay' } }));
    expect(directory.peek(user('watch-1'))).toBeUndefined();
    expect(directory.peek(user('watch-3'))).toMatchObject({ subjectId, deviceKind: 'replay' });
    await expect(directory.update(subjectId, inputOf({ userId: 'watch-2' }))).rejects.toMatchObject({
      code: 'user-id-taken',
    });
    await expect(directory.update('00' as SubjectId, inputOf())).rejects.toMatchObject({ code: 'patient-unknown' });
  });

  it('adds no wearer and no patient past its limits', async () => {
    const directory = await openDirectory(undefined, { registeredMax: 1, unregisteredMax: 2 });
    const found = await directory.resolve(['a', 'b', 'c'].map(user));
    expect([...found.keys()]).toEqual(['a', 'b']);
    await directory.register(inputOf());
    await expect(directory.register(inputOf({ userId: 'a' }))).rejects.toMatchObject({ code: 'directory-full' });
  });

  it('pages through its changes without leaving one out', async () => {
    const directory = await openDirectory();
    await directory.resolve(['a', 'b', 'c', 'd', 'e'].map(user));
    const seen: string[] = [];
    for (let version = 0; version < directory.version; ) {
      const page = directory.changesSince(version, 2);
      seen.push(...page.subjectIds);
      version = page.version;
    }
    expect(new Set(seen).size).toBe(5);
    expect(seen).toHaveLength(5);
  });
});

describe('the people client', () => {
  async function setUp() {
    const clock = new VirtualClock();
    const network = createMemoryNetwork({ clock, random: createSeededRandom(2) });
    const gateway = network.join({ roles: ['gateway'], isTrusted: (peer) => peer === ingest.self });
    const ingest = network.join({ roles: ['ingest'] });
    const stranger = network.join({ roles: ['ingest'] });
    const directory = await openDirectory();
    const serve = (port = gateway) => servePeople(port, directory, { logger: silentLogger, meter: silentMeter });
    const served = serve();
    const tables = createMemoryTables();
    const connect = (port = ingest, own = tables) => {
      const rpc = createRpcClient({ port, clock });
      return createPeopleClient({ port, rpc, tables: own, box, clock, logger: silentLogger });
    };
    return { clock, network, gateway, ingest, stranger, directory, served, serve, tables, connect };
  }

  /** Lets the virtual clock run while `promise` is waited for. */
  async function settled<T>(clock: VirtualClock, promise: Promise<T>): Promise<T> {
    let isDone = false;
    const mark = () => {
      isDone = true;
    };
    promise.then(mark, mark);
    for (let step = 0; step < 200 && !isDone; step += 1) await clock.advance(100);
    return promise;
  }

  it('learns patients from the directory and seals for them with the same keys', async () => {
    const { clock, directory, connect } = await setUp();
    const registered = await directory.register(inputOf());
    await using people = connect();
    const found = await settled(clock, people.resolve([user('watch-1'), user('nobody')]));
    expect(found.get(user('watch-1'))).toMatchObject({ subjectId: registered.subjectId, isRegistered: true });
    expect(found.get(user('watch-1'))?.keyTree.subject).toEqual(registered.keyTree.subject);
    expect(found.get(user('nobody'))).toMatchObject({ isRegistered: false });
    const bySubject = await settled(clock, people.bySubject([registered.subjectId]));
    expect(bySubject.get(registered.subjectId)?.userId).toBe('watch-1');
    expect(await settled(clock, people.contacts(registered.subjectId))).toMatchObject({
      doctor: { email: 'bo@example.org', language: 'de' },
    });
  });

  it('goes on with what it knows while the directory is down, also after a restart', async () => {
    const { clock, network, gateway, directory, connect } = await setUp();
    const { subjectId } = await directory.register(inputOf());
    const before = connect();
    await settled(clock, before.resolve([user('watch-1')]));
    await settled(clock, before.contacts(subjectId));
    await before[Symbol.asyncDispose]();
    network.kill(gateway.self);
    await clock.advance(5_000);
    await using people = connect();
    expect(people.peek(user('watch-1'))?.subjectId).toBe(subjectId);
    expect((await settled(clock, people.resolve([user('watch-1')]))).size).toBe(1);
    expect(await settled(clock, people.contacts(subjectId))).toMatchObject({ patient: { name: 'Ada Example' } });
    await expect(settled(clock, people.resolve([user('new')]))).rejects.toMatchObject({
      code: 'directory-unreachable',
      retryable: true,
    });
  });

  it('hears of changes by announcement, and by asking when the announcement was lost', async () => {
    const { clock, directory, connect, served, serve } = await setUp();
    const { subjectId } = await directory.register(inputOf());
    await using people = connect();
    await settled(clock, people.resolve([user('watch-1')]));
    let changes = 0;
    using _watch = people.onChange(() => {
      changes += 1;
    });
    await directory.update(subjectId, inputOf({ device: { kind: 'replay' } }));
    await clock.advance(1_000);
    expect(people.peek(user('watch-1'))?.deviceKind).toBe('replay');
    expect(changes).toBeGreaterThan(0);

    served[Symbol.dispose]();
    await directory.update(subjectId, inputOf({ userId: 'watch-9' }));
    await clock.advance(1_000);
    expect(people.peek(user('watch-9'))).toBeUndefined();
    using _again = serve();
    await clock.advance(61_000);
    expect(people.peek(user('watch-9'))?.subjectId).toBe(subjectId);
    expect(people.peek(user('watch-1'))).toBeUndefined();
  });

  it('tells a stranger nothing', async () => {
    const { clock, directory, stranger, connect } = await setUp();
    await directory.register(inputOf());
    await using people = connect(stranger, createMemoryTables());
    await expect(settled(clock, people.resolve([user('watch-1')]))).rejects.toMatchObject({
      code: 'directory-unreachable',
    });
    expect(directory.list()).toHaveLength(1);
  });

  it('forgets the patient learnt longest ago past its limit', async () => {
    const { clock, ingest } = await setUp();
    const rpc = createRpcClient({ port: ingest, clock });
    const tables = createMemoryTables();
    await using people = createPeopleClient(
      { port: ingest, rpc, tables, box, clock, logger: silentLogger },
      { patientsMax: 2 },
    );
    for (const name of ['a', 'b', 'c']) await settled(clock, people.resolve([user(name)]));
    expect(people.peek(user('a'))).toBeUndefined();
    expect(people.peek(user('c'))).toBeDefined();
    expect(tables.count('people.cache')).toBe(2);
  });
});
