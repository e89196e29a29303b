import { peerIdOfEd25519 } from '@pulsemesh/wire';
import type { PatientProfile } from '../offices.ts';
import type { CatalogueEntryView } from '../views.ts';
import { cohortsOf } from './cohort.ts';
import { homeLimits } from './home-limits.ts';
import type { HomeHouse } from './home-means.ts';
import { nobody } from './home-rows.ts';

/** What this home offers, counted anew once a day and published where it changed. */
export class HomeCatalogue {
  readonly #house: HomeHouse;

  constructor(house: HomeHouse) {
    this.#house = house;
  }

  start(): void {
    const { clock, errands, means, signal } = this.#house;
    if (means.board === null) return;
    const publish = () => {
      errands.run('catalogue', async () => this.#publish());
      if (signal.aborted) return;
      const timer = clock.setTimer(publish, means.policy.catalogueEveryMs ?? homeLimits.catalogueMs);
      signal.addEventListener('abort', () => timer.cancel(), { once: true });
    };
    publish();
  }

  /** Counts those who agreed to be asked. */
  async count(): Promise<CatalogueEntryView> {
    const { desk, means, clock, signal } = this.#house;
    const profiles: PatientProfile[] = [];
    for (const subject of means.patients.list()) {
      const { isAskable, erasedMs } = desk.get('patient', subject) ?? nobody;
      if (isAskable && erasedMs === null) profiles.push(await means.patients.profile(subject, { signal }));
    }
    return {
      home: peerIdOfEd25519(means.author.publicKey),
      organisation: means.organisation,
      cohorts: cohortsOf(profiles, means.policy.countMin),
      updatedMs: clock.now(),
    };
  }

  async #publish(): Promise<void> {
    const { means, signal } = this.#house;
    const { board, author } = means;
    if (board === null) return;
    const { home, organisation, cohorts, updatedMs } = await this.count();
    const last = board.entries('catalogue').findLast((entry) => entry.author === home)?.body;
    const isSame =
      last !== undefined &&
      JSON.stringify([last.organisation, last.cohorts]) === JSON.stringify([organisation, cohorts]);
    if (isSame || (last === undefined && cohorts.length === 0)) return;
    await board.publish('catalogue', { organisation, cohorts, updatedMs }, author, { signal });
  }
}
