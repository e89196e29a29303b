import { Condition, type Logger, type Meter } from '@pulsemesh/base';
import { type NetworkPort, offerWork, serveRpc } from '@pulsemesh/network';
import type { InputKind, Prediction, Window } from '../windows/window.ts';
import { encodePredictions, parsePredictBody, predictionProtocol } from './aggregation/prediction-wire.ts';

export { predictionProtocol } from './aggregation/prediction-wire.ts';

/** What judges windows: the model in this process, or one that is asked over the network. */
export interface WindowPredictor {
  /** Content id of the model file for this input, 16 hex characters. */
  modelId(input: InputKind): string;
  /** One prediction for each window, in their order; a window that is not usable gets the score null. */
  predict(windows: readonly Window[]): Promise<readonly Prediction[]>;
}

export interface PredictionOptions {
  /** Windows being judged or waiting; from there on this peer is not free and refuses. */
  readonly windowsMax: number;
}

export const predictionDefaults: PredictionOptions = { windowsMax: 4_096 };

export interface PredictionDependencies {
  readonly port: NetworkPort;
  readonly predictor: WindowPredictor;
  readonly logger: Logger;
  readonly meter: Meter;
}

/** What an operator may know. */
export interface PredictionStatus {
  readonly windowsWaiting: number;
  readonly windowsPredicted: number;
  readonly callsRefused: number;
}

/** A running prediction role. */
export interface PredictionRole extends AsyncDisposable {
  status(): PredictionStatus;
}

/** This peer judges all the windows it may at once. Retryable: elsewhere now, here later. */
export class PredictionBusyError extends Condition {
  override readonly name = 'PredictionBusyError';
  constructor(windowsMax: number) {
    super('prediction-busy', `${windowsMax} windows at once is the limit`, { facts: { windowsMax }, retryable: true });
  }
}

/**
 * Starts the role that judges windows for trusted peers: it answers "who is free?" while it has room and serves
 * `predict`. It keeps nothing: who asked asks again elsewhere when this peer dies. The predictor stays the caller's.
 */
export async function startPredictionRole(
  options: Partial<PredictionOptions>,
  dependencies: PredictionDependencies,
): Promise<PredictionRole> {
  const { windowsMax } = { ...predictionDefaults, ...options };
  const { port, predictor, logger, meter } = dependencies;
  const predicted = meter.counter('prediction_windows_total', 'Windows judged');
  const refused = meter.counter('prediction_refused_total', 'Calls refused because there was no room');
  let windowsWaiting = 0;
  let windowsPredicted = 0;
  let callsRefused = 0;

  const predict = async (body: unknown): Promise<unknown> => {
    const windows = parsePredictBody(body);
    // A call on its own is always taken: one larger than the limit would find no peer at all.
    if (windowsWaiting > 0 && windowsWaiting + windows.length > windowsMax) {
      callsRefused += 1;
      refused.add();
      throw new PredictionBusyError(windowsMax);
    }
    windowsWaiting += windows.length;
    try {
      const predictions = await predictor.predict(windows);
      windowsPredicted += windows.length;
      predicted.add(windows.length);
      return encodePredictions(predictions);
    } finally {
      windowsWaiting -= windows.length;
    }
  };

  const running = new AsyncDisposableStack();
  running.use(serveRpc(port, predictionProtocol, { predict }, { requireTrusted: true, logger, meter }));
  running.use(offerWork(port, 'prediction', () => windowsWaiting < windowsMax));
  return {
    status: () => ({ windowsWaiting, windowsPredicted, callsRefused }),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
