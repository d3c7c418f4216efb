/** The bench's plots, as SVG files for a Markdown page with a light or a dark background. */
import { STRATEGIES } from '../../labelers/people/settings.ts';
import { strictPassPlots, type Plot } from '../study/plots.ts';
import { BASELINE, type BenchResults } from './results.ts';

export const PLOTS = { strict: 'people-strategies-strict.svg', difference: 'people-strategies-difference.svg' };

/** Draws the plots of the bench. */
export const plots = (results: BenchResults): Plot[] => strictPassPlots(results, STRATEGIES, BASELINE, PLOTS);
