interface Waiting<Question, Answer> {
  readonly question: Question;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Puts questions together: those that come before the event loop goes round once are asked as one.
 * INVARIANT: what is asked is asked after each of its questions came: nobody gets an answer that is older than the question.
 * @param askAll answers in the order of the questions; when it throws, all of them fail.
 * @param most questions at once; more go in several.
 */
export function makeGathered<Question, Answer>(
  askAll: (questions: readonly Question[]) => Promise<readonly Answer[]>,
  most: number,
): (question: Question) => Promise<Answer> {
  let waiting: Waiting<Question, Answer>[] = [];
  const ask = async (asked: readonly Waiting<Question, Answer>[]): Promise<void> => {
    try {
      const answers = await askAll(asked.map(({ question }) => question));
      if (answers.length !== asked.length) throw new Error('there are not as many answers as questions');
      asked.forEach(({ resolve }, at) => resolve(answers[at] as Answer));
    } catch (error) {
      for (const { reject } of asked) reject(error);
    }
  };
  const askNow = (): void => {
    const all = waiting;
    waiting = [];
    for (let at = 0; at < all.length; at += most) void ask(all.slice(at, at + most));
  };
  return (question) =>
    new Promise((resolve, reject) => {
      if (waiting.length === 0) setImmediate(askNow);
      waiting.push({ question, resolve, reject });
    });
}
