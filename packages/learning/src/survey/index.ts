export { SurveyError, surveyLimits } from './questions.ts';
export { createSurveyCombine, decodeSurveyResult, type SurveyAnswer, type SurveyResult } from './survey-combine.ts';
export { createSurveyWork } from './survey-work.ts';
