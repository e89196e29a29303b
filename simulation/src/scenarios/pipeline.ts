import { pipelineDefaults, runPipeline } from '../pipeline.ts';
import { defineScenario } from './scenario.ts';

/** The way of a reading through all roles, see `../pipeline.ts`. */
export const pipelineScenario = defineScenario({
  name: 'pipeline',
  about: 'readings from devices to people, while machines are killed and links cut',
  options: {
    patients: { about: 'registered patients; one more is not', default: pipelineDefaults.patients, min: 1, max: 1_000 },
    faults: {
      about: 'things that go wrong before the quiet period',
      default: pipelineDefaults.faults,
      min: 0,
      max: 1_000,
    },
    seconds: {
      about: 'seconds of recording that each device plays',
      default: pipelineDefaults.recordingSeconds,
      min: 10,
      max: 86_400,
    },
  },
  async run({ patients, faults, seconds }, { seed, logger }) {
    const options = { ...pipelineDefaults, patients, faults, recordingSeconds: seconds, seed };
    const { report, violations, traceHash, virtualMs, faults: details } = await runPipeline(options, logger);
    const figures = Object.fromEntries(Object.entries(report).filter(([, value]) => typeof value === 'number'));
    return {
      figures: figures as Record<string, number>,
      violations,
      traceHash,
      virtualMs,
      details: { faults: details },
    };
  },
});
