/** The section `optimize` of a run: how the policy is trained on the preferences of a round. */
import { z } from 'zod';
import { LEARNING_RATES, objectiveSchema, trainingSchema } from '../../engine/protocol/settings.ts';

export const optimizeSchema = trainingSchema.extend({
  learningRate: z
    .union([z.number().positive(), z.array(z.number().positive()).min(1)], {
      error: 'expected a number > 0, or a list of them, one a round',
    })
    .default([...LEARNING_RATES])
    .describe(
      "Peak learning rate. A list has one value per round; its last value applies to all further rounds. The default is the paper's, " +
        'for all weights (`full: true`); an adapter needs a higher one, such as 1e-4 or 3e-4.',
    ),
  objective: objectiveSchema.prefault({}).describe('The loss that training minimizes.'),
  checkpointSeconds: z.number().positive().default(60).describe('Seconds between training checkpoints.'),
});
