import { Condition } from '@pulsemesh/base';

/** The service is used before libp2p has started it, or after it was stopped. */
export class NotStartedError extends Condition {
  override readonly name = 'NotStartedError';

  constructor() {
    super('not-started', 'publish/subscribe has not started', { retryable: true });
  }
}

/** The topic's name is empty or too long, or not among the allowed ones; or there are as many topics as can be. */
export class TopicRefusedError extends Condition {
  override readonly name = 'TopicRefusedError';

  constructor(reason: 'name' | 'not-allowed' | 'too-many') {
    super('topic-refused', `the topic is refused: ${reason}`, { facts: { reason } });
  }
}

/** Nobody else is known to read the topic; the text begins as gossipsub's does. */
export class NoSubscribersError extends Condition {
  override readonly name = 'NoSubscribersError';

  constructor() {
    super('no-subscribers', 'PublishError.NoPeersSubscribedToTopic: nobody is known to read the topic', {
      retryable: true,
    });
  }
}

/** The node's key is not Ed25519, the only kind that makes descriptors. */
export class KeyTypeError extends Condition {
  override readonly name = 'KeyTypeError';

  constructor(type: string) {
    super('key-type', 'the overlay needs a libp2p node with an Ed25519 key', { facts: { type } });
  }
}

/** Who answered on the local network is no peer of this overlay. */
export class NotAPeerError extends Condition {
  override readonly name = 'NotAPeerError';

  constructor() {
    super('not-a-peer', 'who answered on the local network is no peer of the overlay');
  }
}
