import { VirtualClock } from '@pulsemesh/base/testing';
import { describe, expect, it } from 'vitest';
import { alertOf, overviewOf, patientOf } from '../testing.ts';
import { alertsMax, notifyGapMs, PageStore, patientsMax } from './page-store.ts';

function create() {
  const clock = new VirtualClock();
  return { clock, store: new PageStore({ access: 'granted' }, { clock }) };
}

const reading = (tMs: number, heartRateBpm = 70) => ({ subject: 's', tMs, heartRateBpm, rrMs: [] });

describe('the page store', () => {
  it('tells React of many changes once', async () => {
    const { clock, store } = create();
    let told = 0;
    store.subscribe('page', () => {
      told += 1;
    });
    for (let count = 0; count < 50; count += 1) store.countBadEvent();
    expect(told).toBe(0);
    await clock.advance(notifyGapMs);
    expect(told).toBe(1);
    expect(store.state.badEventCount).toBe(50);
  });

  it('tells charts at once, and only of readings that are new', () => {
    const { store } = create();
    let told = 0;
    const unsubscribe = store.subscribe('samples:s', () => {
      told += 1;
    });
    store.apply({ type: 'readings', readings: [reading(1_000), reading(2_000)] });
    store.apply({ type: 'readings', readings: [reading(2_000)] });
    expect(told).toBe(1);
    unsubscribe();
    store.apply({ type: 'readings', readings: [reading(3_000)] });
    expect(told).toBe(1);
  });

  it("dates arrivals by the server's clock, and not those that were asked for", () => {
    const { clock, store } = create();
    store.putPatients([patientOf({ subject: 's', lastArrivalMs: 5 })]);
    store.addReadings([reading(1_000)], 'history');
    expect(store.latest('s')).toEqual({ tMs: 1_000, heartRateBpm: 70, arrivalMs: 5 });
    store.setOverview(overviewOf({ nowMs: clock.now() + 3_000 }));
    store.apply({ type: 'readings', readings: [reading(2_000)] });
    expect(store.latest('s')?.arrivalMs).toBe(clock.now() + 3_000);
    expect(store.latest('nobody')).toBeNull();
  });

  it('keeps no more patients and alerts than its limits', () => {
    const { store } = create();
    store.putPatients(Array.from({ length: patientsMax + 3 }, (_, index) => patientOf({ subject: `p${index}` })));
    expect(store.state.patients?.size).toBe(patientsMax);
    store.putAlerts(
      Array.from({ length: alertsMax + 3 }, (_, index) => alertOf({ alertId: `a${index}`, raisedForMs: index })),
    );
    expect(store.state.alerts?.size).toBe(alertsMax);
    expect(store.state.alerts?.has('a2')).toBe(false);
    expect(store.state.alerts?.has('a3')).toBe(true);
  });

  it('tells nobody after it was stopped', async () => {
    const { clock, store } = create();
    let told = 0;
    store.subscribe('page', () => {
      told += 1;
    });
    store.countBadEvent();
    store.stop();
    await clock.advance(1_000);
    expect(told).toBe(0);
  });
});
