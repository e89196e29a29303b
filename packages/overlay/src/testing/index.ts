export {
  InterestObserver,
  type ObserverFigures,
  type ObserverKnowledge,
  observerFigures,
} from './interest-observer.ts';
