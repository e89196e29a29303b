import { errorCode } from '@pulsemesh/base';
import type { AnyBoardEntry } from '@pulsemesh/board';
import type { TableChange } from '@pulsemesh/store';
import type { PeerId } from '@pulsemesh/wire';
import { AccessFollower, type FollowedAccesses } from '../../access/access-follower.ts';
import type { AccessReceipt } from '../../access/access-types.ts';
import { decodeAccessReceipt, encodeAccessReceipt } from '../../access/receipt-codec.ts';
import { emergencyIdOf } from '../../custody/emergency-id.ts';
import type { LedgerEvent } from '../../grants/grant-ledger.ts';
import type { Hex } from '../../offer/offer.ts';
import type { Change } from '../desk/desk.ts';
import { ServedWrongError } from '../errors.ts';
import type { AccessedBody } from '../messages.ts';
import type { EmergencyAccess } from '../offices.ts';
import type { AlarmView, AnchorView } from '../views.ts';
import { homeLimits } from './home-limits.ts';
import type { HomeHouse } from './home-means.ts';
import type { AccessRow, AnchorRow, GrantRow, HomeRows } from './home-rows.ts';

type FollowedAccess = FollowedAccesses['accesses'][number];

const dayMs = 24 * 3600_000;
const countDigits = 16;

/** Who read what: each access that custodians tell of, checked, kept, compared with what ledger and board show, and told to the patient. */
export class Accesses {
  readonly #house: HomeHouse;
  readonly #follower: AccessFollower;

  constructor(house: HomeHouse) {
    this.#house = house;
    this.#follower = new AccessFollower({
      custodians: house.means.custodians,
      isStanding: (grantId, atMs) => isStanding(house.desk.get('grant', grantId), atMs),
    });
    this.#recall();
    for (const anchor of house.desk.all('anchor').values()) {
      this.#follower.takeAnchor(seenAnchor(anchor), house.clock.now());
    }
  }

  /** Given again what was received, the follower knows again what it knew; alarms of then were kept. */
  #recall(): void {
    const { desk, clock } = this.#house;
    const grantsUnder = new Map<string, Hex[]>();
    for (const [id, { custodian, receipt }] of desk.all('access')) {
      const decoded = decodeAccessReceipt(receipt);
      this.#follower.takeReceipts(custodian, [decoded], clock.now());
      const under = id.slice(0, id.indexOf('/'));
      const grantIds = grantsUnder.get(under) ?? [];
      grantIds.push(decoded.record.grantId);
      grantsUnder.set(under, grantIds);
    }
    for (const grantIds of grantsUnder.values()) {
      // Of so many the oldest were forgotten.
      if (grantIds.length < homeLimits.accessesPerGrantMax) continue;
      for (const grantId of new Set(grantIds)) this.#follower.forgive(grantId);
    }
  }

  async take(from: PeerId, { receipts }: AccessedBody, mark: readonly TableChange[]): Promise<void> {
    const { desk, clock, events } = this.#house;
    const owners = new Map(receipts.map((receipt) => [receipt, this.#ownerOf(from, receipt)]));
    const ofUs = receipts.filter((receipt) => owners.get(receipt) !== null);
    if (ofUs.length < receipts.length) events.refused('unknown');
    const found = this.#follower.takeReceipts(from, ofUs, clock.now());
    const subjects = await desk.transact((change) => {
      for (const access of found.accesses) this.#keep(change, from, access, owners.get(access.receipt) ?? '');
      return new Set([...this.#raise(change, found.alarms), ...ofUs.map((receipt) => owners.get(receipt) ?? '')]);
    }, mark);
    for (const subject of subjects) this.#house.changed(subject);
  }

  /**
   * Takes a custodian's receipt for an access that this home makes in an emergency. Once it resolves the access is kept and the patient
   * is being told. @throws {ServedWrongError} where the receipt is not one of this access.
   */
  async takeEmergency({ subject, custodian, reason, receipt }: EmergencyAccess): Promise<void> {
    const { desk, clock, means } = this.#house;
    const nowMs = clock.now();
    const given = receiptIn(receipt);
    const found = this.#follower.takeReceipts(custodian, [given], nowMs);
    const [access] = found.accesses;
    const isThis =
      access?.record.kind === 'emergency' &&
      this.#ownerOf(custodian, given) === subject &&
      access.record.reader === means.post.self &&
      access.record.reason === reason &&
      Math.abs(access.record.atMs - nowMs) <= clockAheadMs;
    await desk.transact((change) => {
      this.#raise(change, found.alarms);
      if (isThis) this.#keepEmergency(change, custodian, access, subject);
    });
    this.#house.changed(subject);
    if (!isThis) throw new ServedWrongError('no receipt of this emergency');
  }

  /** Null: nobody here. */
  #ownerOf(custodian: PeerId, { record }: AccessReceipt): string | null {
    const grant = this.#house.desk.get('grant', record.grantId);
    if (grant !== undefined) return grant.custodians.includes(custodian) ? grant.subject : null;
    return record.kind === 'emergency' ? (this.#patientOfEmergencies(record.grantId)[0] ?? null) : null;
  }

  #patientOfEmergencies(id: Hex): readonly string[] {
    return this.#house.means.patients.list().filter((subject) => emergencyIdOf(subject) === id);
  }

  /** Roots on the ledger; those of strangers are ignored. */
  async anchored(event: Extract<LedgerEvent, { readonly kind: 'anchored' }>): Promise<void> {
    const account = event.custodian.toLowerCase();
    const custodian = this.#house.means.custodians.find((one) => one.account.toLowerCase() === account)?.peer;
    if (custodian === undefined) return;
    const { root, transaction } = event;
    await this.#takeAnchor({
      custodian,
      root,
      count: Number(event.count),
      transaction,
      boardIndex: null,
      atMs: event.timeMs,
    });
  }

  /** Roots on the board. */
  async seen(entry: AnyBoardEntry): Promise<void> {
    if (entry.kind !== 'anchor' || entry.body.about !== 'access') return;
    if (!this.#house.means.custodians.some(({ peer }) => peer === entry.author)) return;
    const { root, count } = entry.body;
    const place = { transaction: null, boardIndex: entry.index, atMs: entry.createdMs };
    await this.#takeAnchor({ custodian: entry.author, root: `0x${root}`, count, ...place });
  }

  /** The first root that an access is under; null: none yet. */
  anchorOf(custodian: string, index: number): AnchorView | null {
    let first: AnchorRow | null = null;
    for (const anchor of this.#house.desk.all('anchor').values()) {
      if (anchor.custodian !== custodian || anchor.count <= index) continue;
      if (first === null || anchor.count < first.count) first = anchor;
    }
    return first;
  }

  /** What has been wrong for too long. */
  async check(): Promise<void> {
    await this.#alarmed(this.#follower.check(this.#house.clock.now()));
  }

  /** Reads the public logs as far as they would show more of what custodians said to be true, or not. */
  async compareLogs(): Promise<void> {
    for (const { peer } of this.#house.means.custodians) {
      try {
        await this.#compareLog(peer);
      } catch (error) {
        if (this.#house.signal.aborted) return;
        // A head that nothing bears out for long is an alarm by itself.
        this.#house.logger.debug('a public log cannot be read now', { custodian: peer, code: errorCode(error) });
      }
    }
  }

  async #compareLog(peer: PeerId): Promise<void> {
    const { means, signal, clock } = this.#house;
    if (means.readLog === null) return;
    for (let part = 0; part < homeLimits.logPartsMax; part += 1) {
      const wanted = this.#follower.wants(peer);
      if (wanted === null) return;
      const { checkpoint, leaves } = await means.readLog(peer, wanted.from, { signal });
      const alarms = [
        ...this.#follower.takeHead(peer, checkpoint, clock.now()),
        ...this.#follower.takeLeaves(peer, wanted.from, leaves, clock.now()),
      ];
      await this.#alarmed(alarms);
      if (leaves.length === 0) return;
    }
  }

  async #takeAnchor(anchor: AnchorRow): Promise<void> {
    const { desk, clock } = this.#house;
    await desk.transact((change) => {
      const anchorId = `${anchor.custodian}/${anchor.count.toString().padStart(countDigits, '0')}`;
      const before = change.get('anchor', anchorId);
      // One root may stand in both places; another root under one count is what the follower finds.
      const isSame = before?.root === anchor.root;
      const transaction = anchor.transaction ?? (isSame ? before.transaction : null);
      const boardIndex = anchor.boardIndex ?? (isSame ? before.boardIndex : null);
      change.put('anchor', anchorId, { ...anchor, transaction, boardIndex });
      const own = [...change.all('anchor')].filter(([, { custodian }]) => custodian === anchor.custodian);
      const oldest = own.map(([id]) => id).sort()[0];
      if (own.length > homeLimits.anchorsPerCustodianMax && oldest !== undefined) change.remove('anchor', oldest);
    });
    await this.#alarmed(this.#follower.takeAnchor(seenAnchor(anchor), clock.now()));
  }

  async #alarmed(alarms: readonly AlarmView[]): Promise<void> {
    if (alarms.length === 0) return;
    const subjects = await this.#house.desk.transact((change) => this.#raise(change, alarms));
    for (const subject of subjects) this.#house.changed(subject);
  }

  #keep(change: Change<HomeRows>, custodian: PeerId, access: FollowedAccess, subject: string): void {
    const { record, index, receipt } = access;
    if (record.kind === 'emergency') {
      this.#keepEmergency(change, custodian, access, subject);
      return;
    }
    const grant = change.get('grant', record.grantId);
    const accessId = `${record.grantId}/${custodian}/${index}`;
    if (grant === undefined || change.get('access', accessId) !== undefined) return;
    const row: AccessRow = { custodian, receipt: encodeAccessReceipt(receipt), atMs: record.atMs };
    change.put('access', accessId, row);
    // What was refused counts too, for each custodian by itself.
    if (Math.max(grant.accesses, record.ordinal) >= homeLimits.accessesPerGrantMax)
      forgetOldest(change, record.grantId);
    const isRead = record.kind === 'read';
    const day = Math.floor(this.#house.clock.now() / dayMs);
    const isTold = isRead && day > grant.readNoticeDay;
    change.put('grant', record.grantId, {
      ...grant,
      accesses: grant.accesses + (isRead ? 1 : 0),
      readNoticeDay: isTold ? day : grant.readNoticeDay,
    });
    if (isTold) change.tell({ noticeId: `read/${record.grantId}/${day}`, subject: grant.subject, kind: 'read' });
  }

  /** Each is told at once, whatever was told before; of one patient they stand together, whether there is a grant or not. */
  #keepEmergency(change: Change<HomeRows>, custodian: PeerId, access: FollowedAccess, subject: string): void {
    const under = emergencyIdOf(subject);
    const accessId = `${under}/${custodian}/${access.index}`;
    if (change.get('access', accessId) !== undefined) return;
    const kept = [...change.all('access')].filter(([id]) => id.startsWith(`${under}/`));
    if (kept.length >= homeLimits.accessesPerGrantMax) forgetOldest(change, under);
    const { atMs } = access.record;
    change.put('access', accessId, { custodian, receipt: encodeAccessReceipt(access.receipt), atMs });
    change.tell({ noticeId: `emergency/${custodian}/${access.index}`, subject, kind: 'emergency' });
  }

  /** Alarms of one grant go to its patient, those of a whole log to everybody whose grants its custodian holds. */
  #raise(change: Change<HomeRows>, alarms: readonly AlarmView[]): Set<string> {
    const subjects = new Set<string>();
    for (const alarm of alarms) {
      const concerned =
        alarm.grantId === null
          ? patientsOf(change, alarm.custodian as PeerId)
          : (ownerOf(change, alarm.grantId) ?? this.#patientOfEmergencies(alarm.grantId));
      this.#house.logger.error('a custodian is not to be trusted', { alarm: alarm.kind, custodian: alarm.custodian });
      for (const subject of concerned) {
        const alarmId = `${alarm.alarmId}/${subject}`;
        if (change.get('alarm', alarmId) !== undefined || isFull(change)) continue;
        const { kind, grantId, atMs, text } = alarm;
        change.put('alarm', alarmId, { subject, kind, grantId, atMs, text, custodian: alarm.custodian as PeerId });
        change.tell({ noticeId: `alarm/${alarmId}`, subject, kind: 'alarm' });
        subjects.add(subject);
      }
    }
    return subjects;
  }
}

/** @throws {ServedWrongError}. */
function receiptIn(bytes: Uint8Array): AccessReceipt {
  try {
    return decodeAccessReceipt(bytes);
  } catch {
    throw new ServedWrongError('no receipt');
  }
}

function seenAnchor({ custodian, root, count }: AnchorRow) {
  return { by: custodian, root, count };
}

function isStanding(grant: GrantRow | undefined, atMs: number): boolean {
  return grant !== undefined && (grant.revokedMs === null || atMs <= grant.revokedMs + clockAheadMs);
}

/** A custodian hears of a withdrawal a little later than the home does. */
const clockAheadMs = 10 * 60_000;

function ownerOf(change: Change<HomeRows>, grantId: Hex): readonly string[] | null {
  const grant = change.get('grant', grantId);
  return grant === undefined ? null : [grant.subject];
}

function patientsOf(change: Change<HomeRows>, custodian: PeerId): ReadonlySet<string> {
  const subjects = new Set<string>();
  for (const [, grant] of change.all('grant')) if (grant.custodians.includes(custodian)) subjects.add(grant.subject);
  return subjects;
}

function isFull(change: Change<HomeRows>): boolean {
  return [...change.all('alarm')].length >= homeLimits.alarmsMax;
}

function forgetOldest(change: Change<HomeRows>, grantId: Hex): void {
  let oldest: { readonly id: string; readonly atMs: number } | null = null;
  for (const [id, { atMs }] of change.all('access')) {
    if (id.startsWith(`${grantId}/`) && (oldest === null || atMs < oldest.atMs)) oldest = { id, atMs };
  }
  if (oldest !== null) change.remove('access', oldest.id);
}
