import { Condition, createSeededRandom, silentLogger, silentMeter } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { createBox, createKeyTree } from '@pulsemesh/crypto';
import { createRpcClient, type SubjectId } from '@pulsemesh/network';
import { createMemoryNetwork } from '@pulsemesh/network/testing';
import { createMemoryTables, type SealedRecord, type TableChange, type TableStore } from '@pulsemesh/store';
import { type PeerId, toHex } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import type { AlertEvent } from '../alerts/alert.ts';
import type { ComposedMail } from '../mail/compose.ts';
import { noticeKinds } from '../mail/notice-texts.ts';
import { MailDeferredError, MailRefusedError, type MailTransport } from '../mail/transport.ts';
import type { Contacts, KnownPatient } from '../people/index.ts';
import { noContacts } from '../people/index.ts';
import type { UserId } from '../readings/reading.ts';
import { openAlertEvent } from '../records/codec.ts';
import {
  type NotificationRole,
  type NotificationRoleOptions,
  notificationProtocol,
  startNotificationRole,
} from './notification.ts';

const patient = { name: 'Ada Example', email: 'ada@example.org', language: 'de' } as const;
const doctor = { name: 'Dr Bo Example', email: 'bo@example.org', language: 'fr' } as const;
const both: Contacts = { patient, doctor, tells: { patient: true, doctor: true } };

/** A mail server that does what it is told, one answer a mail. */
class FakeServer implements MailTransport {
  readonly taken: ComposedMail[] = [];
  readonly offered: ComposedMail[] = [];
  answers: (null | Condition | Promise<void>)[] = [];

  async send(mail: ComposedMail): Promise<void> {
    this.offered.push(mail);
    const answer = this.answers.shift() ?? null;
    if (answer instanceof Condition) throw answer;
    this.taken.push(mail);
    await answer;
  }

  close(): void {}
}

class World {
  readonly clock = new VirtualClock();
  readonly random = createSeededRandom(11);
  readonly network = createMemoryNetwork({ clock: this.clock, random: this.random });
  readonly tables: TableStore = createMemoryTables();
  readonly box = createBox(this.random.bytes(32), { random: this.random });
  readonly tree = createKeyTree(this.random.bytes(32));
  readonly subjectId = this.tree.subjectId as SubjectId;
  readonly server = new FakeServer();
  readonly records: SealedRecord[] = [];
  contacts: Contacts = both;
  isDirectoryDown = false;
  areRecordsDown = false;
  role: NotificationRole | undefined;
  #generation = 0;

  async start(options: Partial<NotificationRoleOptions> = {}): Promise<void> {
    const port = this.network.join({ roles: ['notification'], id: 'peer-notifier' as PeerId });
    const known = { subjectId: this.subjectId, keyTree: this.tree, userId: 'w' as UserId } as KnownPatient; // what is used of it
    const down = () => {
      if (this.isDirectoryDown) throw new Condition('directory-unreachable', 'down', { retryable: true });
    };
    const { clock, random, box } = this;
    const generation = this.#generation;
    // What a dead process does reaches nobody.
    const alive = <T>(action: () => Promise<T>): Promise<T> =>
      generation === this.#generation ? action() : new Promise<T>(() => {});
    const tables: TableStore = Object.assign(Object.create(this.tables) as TableStore, {
      get: this.tables.get.bind(this.tables),
      range: this.tables.range.bind(this.tables),
      count: this.tables.count.bind(this.tables),
      commit: (changes: readonly TableChange[]) => alive(() => this.tables.commit(changes)),
    });
    const server: MailTransport = { send: (mail) => alive(() => this.server.send(mail)), close: () => {} };
    this.role = await startNotificationRole(
      {
        smtp: { host: '127.0.0.1', port: 9, secure: false },
        from: 'Pulsemesh <pulsemesh@example.org>',
        pageUrl: 'http://localhost:1/',
        ...options,
      },
      {
        port,
        tables,
        box,
        clock,
        random,
        transport: server,
        people: {
          contacts: async () => {
            down();
            return this.contacts;
          },
          bySubject: async () => {
            down();
            return new Map([[this.subjectId, known]]);
          },
        },
        records: {
          put: (records) =>
            alive(async () => {
              if (this.areRecordsDown) throw new Condition('records-unavailable', 'down', { retryable: true });
              this.records.push(...records);
              return { copies: 2 };
            }),
        },
        logger: silentLogger,
        meter: silentMeter,
      },
    );
  }

  /** The process is gone at once: what was not committed never was. */
  crash(): void {
    this.#generation += 1;
    this.network.kill('peer-notifier' as PeerId);
  }

  async notify(...events: readonly unknown[]): Promise<unknown> {
    const port = this.network.join({ roles: ['aggregation'] });
    await using rpc = createRpcClient({ port, clock: this.clock });
    const body = { subjectId: this.subjectId, events };
    const answer = rpc.call('peer-notifier' as PeerId, notificationProtocol, 'notify', body, { timeoutMs: 1000 });
    answer.catch(() => {});
    await this.clock.advance(200);
    return await answer;
  }

  async notice(noticeId: unknown, kind: unknown): Promise<unknown> {
    const port = this.network.join({ roles: ['gateway'] });
    await using rpc = createRpcClient({ port, clock: this.clock });
    const body = { subjectId: this.subjectId, noticeId, kind };
    const answer = rpc.call('peer-notifier' as PeerId, notificationProtocol, 'notice', body, { timeoutMs: 1000 });
    answer.catch(() => {});
    await this.clock.advance(200);
    return await answer;
  }

  notified(): AlertEvent[] {
    return this.records.map((record) => openAlertEvent(this.tree, record));
  }
}

function raised(number: number, atSeconds: number): AlertEvent {
  const alertId = number.toString(16).padStart(32, '0');
  return { type: 'raised', alertId, kind: 'irregular-rhythm', episodeStartSeconds: atSeconds - 300, atSeconds };
}

function resolved(number: number, atSeconds: number): AlertEvent {
  return { type: 'resolved', alertId: number.toString(16).padStart(32, '0'), kind: 'irregular-rhythm', atSeconds };
}

const minute = 60;

describe('notification', () => {
  it('mails patient and doctor in their languages, and records that they were told', async () => {
    const world = new World();
    await world.start();
    expect(await world.notify(raised(1, 10_000))).toEqual({ accepted: 1 });
    expect(world.server.taken.map((mail) => [mail.to.address, mail.language])).toEqual([
      ['ada@example.org', 'de'],
      ['bo@example.org', 'fr'],
    ]);
    expect(world.notified().at(-1)).toMatchObject({ type: 'notified', recipientCount: 2 });
    expect(world.role?.counts()).toMatchObject({ sent: 2, queued: 0 });
  });

  it('tells an alert once, however often it is notified, also after a restart', async () => {
    const world = new World();
    await world.start();
    await world.notify(raised(1, 10_000), raised(1, 10_000));
    await world.notify(raised(1, 10_000));
    world.crash();
    await world.start();
    await world.notify(raised(1, 10_000), resolved(1, 11_000), raised(1, 10_000));
    expect(world.server.offered).toHaveLength(2);
  });

  it('tells of one open episode, is silent for a while after, then tells again', async () => {
    const world = new World();
    await world.start();
    const start = 100_000;
    await world.notify(raised(1, start));
    await world.notify(raised(2, start + 40 * minute)); // the first is still open
    expect(world.server.taken).toHaveLength(2);
    await world.notify(resolved(1, start + 41 * minute));
    await world.notify(raised(3, start + 42 * minute));
    expect(world.server.taken).toHaveLength(4);
    await world.notify(resolved(3, start + 43 * minute), raised(4, start + 50 * minute)); // within the mute of the third
    expect(world.server.taken).toHaveLength(4);
    await world.notify(raised(5, start + 42 * minute + 15 * minute));
    expect(world.server.taken).toHaveLength(6);
    await world.notify(raised(6, start + 42 * minute + 15 * minute + 86_400)); // nobody ever said that the fifth ended
    expect(world.server.taken).toHaveLength(8);
  });

  it('tells nobody of an unregistered patient, and only those who want to be told', async () => {
    const world = new World();
    world.contacts = noContacts;
    await world.start();
    await world.notify(raised(1, 10_000));
    world.contacts = { patient, doctor, tells: { patient: false, doctor: true } };
    await world.notify(resolved(1, 10_100), raised(2, 20_000));
    world.contacts = {
      patient,
      doctor: { ...doctor, email: 'ADA@example.org' },
      tells: { patient: true, doctor: true },
    };
    await world.notify(resolved(2, 20_100), raised(3, 30_000));
    expect(world.server.taken.map((mail) => mail.to.address)).toEqual(['bo@example.org', 'ada@example.org']);
  });

  it('tries again while the mail server is down for an hour, and sends each mail once', async () => {
    const world = new World();
    await world.start();
    const down = new MailDeferredError('ECONNECTION', null);
    world.server.answers = Array.from({ length: 10_000 }, () => down);
    await world.notify(raised(1, 10_000));
    await world.clock.advance(3_600_000);
    expect(world.server.taken).toHaveLength(0);
    expect(world.server.offered.length).toBeGreaterThan(20);
    expect(world.server.offered.length).toBeLessThan(100);
    world.server.answers = [];
    await world.clock.advance(300_000);
    expect(world.server.taken).toHaveLength(2);
    expect(new Set(world.server.offered.map((mail) => mail.messageId)).size).toBe(2);
    expect(world.role?.counts()).toMatchObject({ sent: 2, queued: 0 });
  });

  it('gives up a mail that was refused for good, and one that nobody took for a day', async () => {
    const world = new World();
    await world.start();
    world.server.answers = [new MailRefusedError('EENVELOPE', 550)];
    await world.notify(raised(1, 10_000));
    await world.clock.advance(600_000);
    expect(world.role?.counts()).toMatchObject({ sent: 1, failed: 1 });
    expect(world.notified().at(-1)).toMatchObject({ recipientCount: 1 });
    world.server.answers = Array.from({ length: 10_000 }, () => new MailDeferredError('ETIMEDOUT', null));
    await world.notify(resolved(1, 10_001), raised(2, 90_000));
    await world.clock.advance(86_400_000 + 600_000);
    expect(world.role?.counts()).toMatchObject({ queued: 0, attempting: 0, failed: 3 });
  });

  it('offers a mail again, under the same Message-ID, when the process died before it could note the answer', async () => {
    const world = new World();
    await world.start();
    world.contacts = { ...both, doctor: null };
    // The server takes the mail, but its answer never comes: the process is killed first.
    world.server.answers = [new Promise<void>(() => {})];
    await world.notify(raised(1, 10_000));
    expect(world.role?.counts()).toMatchObject({ attempting: 1 });
    world.crash();
    await world.start();
    await world.clock.advance(1000);
    const ids = world.server.taken.map((mail) => mail.messageId);
    expect(ids).toHaveLength(2);
    expect(new Set(ids).size).toBe(1);
    expect(world.role?.counts()).toMatchObject({ attempting: 0, sent: 1 });
    world.crash();
    await world.start();
    await world.clock.advance(60_000);
    expect(world.server.taken).toHaveLength(2);
  });

  it('refuses an alert while it cannot know whom to tell, and takes it later', async () => {
    const world = new World();
    await world.start();
    world.isDirectoryDown = true;
    await expect(world.notify(raised(1, 10_000))).rejects.toMatchObject({
      code: 'directory-unreachable',
      retryable: true,
    });
    world.isDirectoryDown = false;
    await world.notify(raised(1, 10_000));
    expect(world.server.taken).toHaveLength(2);
  });

  it('writes the record of a sent mail once storage is back, also after a restart', async () => {
    const world = new World();
    await world.start();
    world.areRecordsDown = true;
    await world.notify(raised(1, 10_000));
    await world.clock.advance(20_000);
    world.crash();
    world.areRecordsDown = false;
    await world.start();
    await world.clock.advance(10_000);
    expect(world.notified()).toMatchObject([{ type: 'notified', recipientCount: 2 }]);
  });

  it('refuses what its outbox cannot hold, changing nothing', async () => {
    const world = new World();
    await world.start({ mailsMax: 3, muteSeconds: 0 });
    await world.notify(raised(1, 10_000));
    const next = [resolved(1, 11_000), raised(2, 20_000)];
    await expect(world.notify(...next)).rejects.toMatchObject({ code: 'outbox-full', retryable: true });
    expect(world.server.taken).toHaveLength(2);
    // A week later the sent ones are forgotten.
    await world.clock.advance(8 * 86_400_000);
    await world.notify(...next);
    expect(world.server.taken).toHaveLength(4);
  });

  it('refuses malformed and oversized calls', async () => {
    const world = new World();
    await world.start();
    for (const event of [null, {}, { type: 'raised', alertId: 'x' }]) {
      await expect(world.notify(event)).rejects.toMatchObject({ code: 'malformed-record' });
    }
    const many = Array.from({ length: 257 }, (_, index) => raised(index, 10_000 * index + 1000));
    await expect(world.notify(...many)).rejects.toMatchObject({ code: 'record-limit' });
    expect(world.server.offered).toHaveLength(0);
  });

  it('tells the patient alone of what happens to a consent, once, also after a restart', async () => {
    const world = new World();
    world.contacts = { ...both, tells: { patient: false, doctor: true } };
    await world.start();
    expect(await world.notice('0a'.repeat(16), 'asked')).toEqual({ accepted: 1 });
    expect(await world.notice('0a'.repeat(16), 'asked')).toEqual({ accepted: 0 });
    world.crash();
    await world.start();
    await world.notice('0a'.repeat(16), 'asked');
    await world.notice('0b'.repeat(16), 'alarm');
    expect(world.server.offered.map((mail) => [mail.to.address, mail.language])).toEqual([
      ['ada@example.org', 'de'],
      ['ada@example.org', 'de'],
    ]);
    expect(world.records).toEqual([]);
  });

  it('says in a notice neither whose it is nor what it is about', async () => {
    const world = new World();
    await world.start();
    for (const language of ['en', 'de', 'fr'] as const) {
      world.contacts = { ...both, patient: { ...patient, language } };
      for (const kind of noticeKinds) await world.notice(toHex(world.random.bytes(16)), kind);
    }
    expect(world.server.offered).toHaveLength(3 * noticeKinds.length);
    for (const { subject, text, html } of world.server.offered) {
      expect(`${subject}${text}${html}`).not.toContain(world.subjectId);
      expect(text).toContain('http://localhost:1/#/');
      expect(text.replace('localhost:1', '')).not.toMatch(/[0-9]/);
    }
  });

  it('refuses notices that are none', async () => {
    const world = new World();
    await world.start();
    for (const [noticeId, kind] of [
      ['x', 'asked'],
      ['0a'.repeat(16), 'bought'],
      [7, 'asked'],
    ]) {
      await expect(world.notice(noticeId, kind)).rejects.toMatchObject({ code: 'malformed-record' });
    }
    expect(world.server.offered).toEqual([]);
  });

  it('keeps nothing readable on the disk', async () => {
    const world = new World();
    await world.start();
    world.server.answers = [new MailDeferredError('EDNS', null), new MailDeferredError('EDNS', null)];
    await world.notify(raised(1, 10_000));
    for (const table of ['mail-outbox', 'mail-alerts', 'mail-episodes']) {
      for (const { value } of world.tables.range(table)) {
        expect(Buffer.from(value).toString('latin1')).not.toMatch(/ada|Ada|example/);
      }
    }
  });
});
