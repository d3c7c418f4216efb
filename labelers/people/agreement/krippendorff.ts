/**
 * Krippendorff's alpha for nominal data: the agreement of people beyond chance, for any number of people and missing votes.
 *
 * A question u with m_u >= 2 votes, n_uc of them for class c, adds n_uc n_uk / (m_u - 1) to the coincidences o_ck of two different
 * classes. With n_c = sum_u n_uc and n = sum_c n_c, over these questions:
 *
 *   alpha = 1 - D_o / D_e = 1 - (n - 1) sum_{c != k} o_ck / sum_{c != k} n_c n_k
 *
 * 1 is perfect agreement, 0 is agreement by chance. Source: K. Krippendorff, Computing Krippendorff's Alpha-Reliability (2011),
 * https://repository.upenn.edu/asc_papers/43.
 */

/** What a question adds to the sums of alpha. */
export interface Coincidences {
  /** sum_{c != k} n_uc n_uk / (m_u - 1) */
  disagreement: number;
  /** n_uc, by the class's index. */
  counts: number[];
}

/**
 * The coincidences of each question with two votes or more; other questions say nothing about agreement.
 * @param questions the classes that people gave to each question; missing votes are left out
 */
export function coincidencesOf(questions: string[][]): Coincidences[] {
  const classes = [...new Set(questions.flat())].sort();
  return questions
    .filter((votes) => votes.length >= 2)
    .map((votes) => {
      const counts = classes.map((name) => votes.filter((vote) => vote === name).length);
      const same = counts.reduce((sum, count) => sum + count * count, 0);
      return { disagreement: (votes.length ** 2 - same) / (votes.length - 1), counts };
    });
}

/** Alpha of the questions' coincidences; undefined if there are none, or if all votes are of one class: nobody could disagree. */
export function alphaOf(coincidences: Iterable<Coincidences>): number | undefined {
  let observed = 0;
  const totals: number[] = [];
  for (const { disagreement, counts } of coincidences) {
    observed += disagreement;
    for (let i = 0; i < counts.length; i++) totals[i] = (totals[i] ?? 0) + counts[i];
  }
  const n = totals.reduce((sum, count) => sum + count, 0);
  const expected = n ** 2 - totals.reduce((sum, count) => sum + count ** 2, 0);
  return expected === 0 ? undefined : 1 - ((n - 1) * observed) / expected;
}
