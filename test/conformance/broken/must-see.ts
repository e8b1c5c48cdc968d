const HUNDRED =
  'A hundred dead letters are listed, one shown, ten redriven, the rest exported, purged, imported and redriven';

/**
 * Which guarantees must see which defect. A defect may break more than is said of it here; that each guarantee stands
 * in the list of one defect at least shows that its test can fail.
 */
export const mustSee: Readonly<Record<string, readonly string[]>> = {
  'delivers nothing': ['What is published reaches a handler'],
  'resolves a publish before the broker has the message': [
    'Once `publish` has resolved, the broker has the message, even if the publisher is gone at once',
    'The caller may reuse its bytes and headers once `publish` has resolved',
  ],
  'resolves a subscription before it is bound': [
    'A subscription gets what is published from the moment it is made',
  ],
  'refuses topics that nobody subscribes to': ['A topic that nobody subscribes to takes messages'],
  'fails publishes together that were called together': ['Publishes at the same time settle each by itself'],
  'ignores the signal of a publish': [
    'A publish whose signal has aborted rejects with the signal’s reason and sends nothing',
  ],
  'rejects a publish in time and sends it later all the same': [
    'A publish whose signal has aborted rejects with the signal’s reason and sends nothing',
    'A publish that waits gives up once its signal aborts, and its message is not sent later',
  ],
  'rejects with an error of its own where the signal has a reason': [
    'A publish whose signal has aborted rejects with the signal’s reason and sends nothing',
  ],
  'tells one alone of the publishes that share a signal when that aborts': [
    'A publish that waits gives up once its signal aborts, and its message is not sent later',
  ],
  'rejects a publish that would have to wait': [
    'A publish waits while the broker takes nothing, and goes through afterwards',
  ],
  'loses what is published while the connection is lost': [
    'Through cut connections under load, each publish settles once and nothing that resolved is lost',
  ],
  'keeps publishes waiting for ever when it closes': ['Publishes that still wait at closing reject'],
  'accepts publishes and subscriptions after closing': [
    'Publishing and subscribing after closing are refused',
  ],
  'merges all groups into one': ['Every group gets every message, once'],
  'gives every process of a group every message': ['Within a group, one process handles each message'],
  'gives all the work to the first process of a group': ['Processes of a group share the work'],
  'makes a group’s name of the service’s': ['Two services that name the same group share the work'],
  'forgets a group whose last process goes': ['Messages wait for a group that has no process running'],
  'gives new groups all that was ever published': [
    'A new group gets nothing older than itself',
    'A broadcast begins with its process and ends with it',
  ],
  'leaks topics into subscriptions to others': ['A topic’s messages reach no subscription to another topic'],
  'hands over one message at a time, whatever the group': [
    'A group that is slow or stuck does not hold up another',
  ],
  'treats a queue as a topic': ['Each message of a queue goes to exactly one worker'],
  'drops tasks while their queue has no worker': ['A queue keeps its messages until a worker exists'],
  'gives every service a queue of its own': [
    'Senders and workers of a queue meet, whatever their services',
    'Plain JSON sent to a queue by such a producer is delivered',
  ],
  'sends tasks to the topic of the queue’s name too': ['A queue and a topic of one name are two things'],
  'shares a broadcast among its processes': ['Every process gets every message of a broadcast'],
  'stops every broadcast when one stops': ['A broadcast that stops leaves the others running'],
  'hands a broadcast’s message over until it is acknowledged': [
    'A broadcast’s message that is set aside is gone, and the next one comes',
  ],
  'drops a broadcast’s message that is released': ['A broadcast’s message that is released comes again'],
  'hands over nothing of a broadcast': ['Every process gets every message of a broadcast'],
  'takes `*` for any number of words': ['`*` stands for one word', '`*` can stand at the beginning'],
  'takes `#` for one word': ['`#` stands for any number of words, none included'],
  'takes a wildcard at the end for any rest': [
    '`#` can stand in the middle',
    '`*` and `#` can stand together',
  ],
  'ignores wildcards': ['`*` stands for one word'],
  'requires a word for `#`': ['`#` stands for any number of words, none included'],
  'says which pattern let a message through, not its topic': [
    'A message under a pattern says which topic it was published under',
  ],
  'delivers once for every way in which a pattern fits': [
    'A pattern that fits in several ways delivers once',
  ],
  'takes a topic and a pattern of one group for one subscription': [
    'A topic and a pattern that covers it are two subscriptions',
  ],
  'publishes dead letters where patterns match them': ['Patterns never match the module’s own resources'],
  'knows no namespaces': ['Namespaces keep applications apart'],
  'makes the namespace part of the topic that handlers see': ['Namespaces keep applications apart'],
  'cuts long names': ['The longest name that is allowed works, dead letters included'],
  'never acknowledges': ['An acknowledged message never comes again'],
  'hands an acknowledged message over once more': ['Within a group, one process handles each message'],
  'acknowledges before the handler has ended': [
    'A message whose handling has not ended when its process goes is delivered again',
    'A failed message comes again, and each failure is counted',
    'Stopping waits until each message in hand is settled',
  ],
  'tells nobody that it has carried a settlement out': [
    'Whoever asks is told once that a settlement was carried out',
    'Whoever asks is told that a message was set aside when it is among the dead letters',
  ],
  'tells twice that it has carried a settlement out': [
    'Whoever asks is told once that a settlement was carried out',
  ],
  'tells that it has set a message aside before it has': [
    'Whoever asks is told that a message was set aside when it is among the dead letters',
  ],
  'counts every hand-over as an attempt': ['Coming back with a process that went uses up no attempt'],
  'drops what is released': ['A released message is delivered again, and uses up no attempt'],
  'counts a release as a failure': ['A released message is delivered again, and uses up no attempt'],
  'keeps what is released in the process that released it': [
    'What one process releases, another of its group can take',
    'A message that waits in order for its key is returned unhandled at shutdown',
  ],
  'settles in the order of handing over': ['A delivery that stays open does not hold up the others'],
  'takes a release for a death': ['A message counts no death before a process has died of it'],
  'counts no attempts': ['A failed message comes again, and each failure is counted'],
  'drops what failed': ['A failed message comes again, and each failure is counted'],
  'ignores delays of retries': ['A failed message comes again after its delay'],
  'retries twice as late as asked': [
    'A failed message comes again after its delay',
    'A handler that fails twice and then succeeds has its delays as configured, and leaves no dead letter',
  ],
  'keeps a slot while a retry waits': [
    'Others of its subscription are not held up while a failed message waits',
  ],
  'lets a short retry wait behind a longer one': ['A short wait is not held up by a longer one'],
  'returns what failed to the topic': [
    'A failure concerns only the group in which it happened',
    'A group that succeeds never sees a message again because another fails',
  ],
  'keeps what waits for a retry in its own process': [
    'A message that waits for its next attempt survives the process that failed',
  ],
  'loses headers on the way to another attempt': ['The message is the same at each attempt'],
  'does not retry tasks': ['A task of a queue is retried as an event is'],
  'retries under the pattern’s name': ['A message under a pattern is retried under its own topic'],
  'delivers delayed messages at once': ['A delayed message is delivered when it is due'],
  'drops tasks that are delayed': [
    'A delayed task of a queue is delivered when it is due',
    'A delayed task is kept for its worker, whatever its service and whenever it starts',
  ],
  'chooses the subscribers of a delayed message when it is published': [
    'A delayed message goes to those who subscribe when it is due',
  ],
  'keeps delayed messages in its own process': ['A delayed message survives the process that published it'],
  'lets delayed messages that nobody wants hold up the others': [
    'Delayed messages that nobody wants do not hold up the others',
  ],
  'loses headers and conversation of delayed messages': ['A delayed message arrives as it was published'],
  'loses dead letters': [
    'A dead-lettered message is set aside with body, headers, error, attempts, group and times',
  ],
  'keeps nothing of a dead letter but its message': [
    'A dead-lettered message is set aside with body, headers, error, attempts, group and times',
  ],
  'loses headers of dead letters': [
    'A dead-lettered message is set aside with body, headers, error, attempts, group and times',
  ],
  'alters the bytes of dead letters': [
    'A message with binary is set aside at its first attempt, its bytes untouched',
  ],
  'names no group of a dead letter': [
    'A dead-lettered message is set aside with body, headers, error, attempts, group and times',
  ],
  'hands a dead letter over again': ['A dead-lettered message is not delivered again'],
  'sets a message aside for every group at once': [
    'A dead letter concerns only the group in which it failed',
  ],
  'takes dead letters away by looking at them': ['Looking at dead letters takes none away, however often'],
  'shows the newest dead letters first': ['The oldest dead letters come first, as many as asked for'],
  'shows all dead letters, however many were asked for': [
    'The oldest dead letters come first, as many as asked for',
    'Dead letters are browsed from any place on, whether the letter there is gone or not',
  ],
  'begins to browse with the oldest, whatever it was told': [
    'Dead letters are browsed from any place on, whether the letter there is gone or not',
    HUNDRED,
  ],
  'goes on from a place only while its letter is there': [
    'Dead letters are browsed from any place on, whether the letter there is gone or not',
  ],
  'takes away what was looked at when browsing is left': [
    'Browsing can be left at any letter, and all are in their place',
  ],
  'shows all, whatever is chosen': [
    'Only those are browsed that are chosen, by all that is known of them but the body',
    HUNDRED,
  ],
  'purges what it could not choose': [
    'What a choice throws ends browsing and purging, and what is not purged is left',
  ],
  'ends for no signal': [
    'Looking ends with the reason of its signal, and leaves all in their place',
    'A redrive that is interrupted has moved each or left it, and goes on when it is called again',
  ],
  'does not say where a dead letter comes from': [
    'What was purged can be set aside again with all that was known of it, and redriven',
  ],
  'loses what is set aside again': [
    'What was purged can be set aside again with all that was known of it, and redriven',
    'A task that is set aside again comes back to its queue',
    HUNDRED,
  ],
  'keeps nothing of what is set aside again but its message': [
    'What was purged can be set aside again with all that was known of it, and redriven',
    HUNDRED,
  ],
  'takes what is set aside again for text': [
    'What was purged can be set aside again with all that was known of it, and redriven',
  ],
  'sets everything aside again under its pattern or a topic': [
    'A task that is set aside again comes back to its queue',
    'What is set aside again of a pattern comes back under the topic it was published under',
  ],
  'sets aside again what is of nobody': [
    'Nothing is set aside for a subscription that does not exist, nor for one that it is not of',
  ],
  'sets aside again what comes from another’s place': [
    'Nothing is set aside for a subscription that does not exist, nor for one that it is not of',
  ],
  'forgets dead letters with the process that set them aside': [
    'Dead letters outlive the process that set them aside',
  ],
  'has no dead letters for queues': ['A queue has dead letters as a topic has'],
  'fails where there are no dead letters': ['A subscription without dead letters has an empty list'],
  'has a place for dead letters of anybody': [
    'A subscription without dead letters can be told from one that does not exist',
  ],
  'has a place for dead letters only while there are some': [
    'A subscription without dead letters can be told from one that does not exist',
  ],
  'does not say which place for dead letters there is not': [
    'A subscription without dead letters can be told from one that does not exist',
  ],
  'purges all, whatever is chosen': ['Dead letters can be purged, all or by id'],
  'redrives all, whatever is chosen': ['Only those asked for are redriven', HUNDRED],
  'redrives the newest first': [
    'A redrive gives back those of a key in the order in which they were set aside',
  ],
  'redrives what fails again meanwhile once more': [
    'What is chosen is redriven while the choice of the next takes its time, and what fails again is left',
  ],
  'redrives nothing before it has chosen all': [
    'What is chosen is redriven while the choice of the next takes its time, and what fails again is left',
  ],
  'redrives with the attempts there were': [
    'A redriven message is handled again from its first attempt, body and headers as they were',
    'A redriven message has all its attempts again',
  ],
  'redrives to the topic, and so to every group': [
    'A redriven message goes to the group where it failed and to no other',
  ],
  'redrives and keeps the dead letter': ['Only those asked for are redriven'],
  'loses what is redriven while no process runs': ['A redriven message waits for its group as any other'],
  'loses headers of what is redriven': [
    'A redriven message is handled again from its first attempt, body and headers as they were',
  ],
  'drops what fails again after a redrive': ['A redriven message can fail and be redriven again'],
  'redrives tasks to a topic of the queue’s name': ['A task of a queue is redriven to its queue'],
  'hands messages over in no order': ['Messages of a key are handed over in the order of their publishing'],
  'lets the processes of a group compete for the messages of a key': [
    'Order holds among the processes of a group',
  ],
  'returns released messages behind the others': ['Messages that were released come back before later ones'],
  'returns what a gone process left in reverse': ['Order holds when a process goes and another takes over'],
  'hands over without bounds': [
    'A handler never has more messages in hand than it allows, with 10,000 waiting',
    'No more handlers run at a time than `concurrency` says',
  ],
  'hands over one more than allowed': ['While its hands are full, nothing more is handed over'],
  'loses a slot with each message that was not acknowledged': [
    'However a message ends, it makes room for the next',
  ],
  'takes on after it was told to stop': ['A consumer that stops takes nothing more'],
  'stops without waiting for what is in hand': ['Stopping waits until each message in hand is settled'],
  'stops all consumers when one stops': ['Stopping one subscription leaves the others running'],
  'fails when it is closed twice': ['Stopping and closing twice does no harm'],
  'fails when it is closed before it was connected': ['An application that never connected can be closed'],
  'closes on top of what was decided': ['What was decided before closing is carried out'],
  'acknowledges what is in hand when it closes': [
    'A message whose handling has not ended when its process goes is delivered again',
  ],
  'hands over what it had fetched, after it was closed': ['After closing, nothing more is handed over'],
  'closes every application when one closes': ['Closing leaves the other applications alone'],
  'shares one copy of a body among the groups': [
    'Groups get the same message, and none sees what another does to it',
  ],
  'takes every body for text': ['A body arrives byte by byte'],
  'makes `null` of an empty body': [
    'A message with an empty body is set aside at its first attempt, its bytes untouched',
    'An empty body arrives empty',
  ],
  'cuts bodies at 64 KiB': ['A large body arrives whole'],
  'writes JSON anew': ['JSON arrives as it was written, to the last blank'],
  'writes header names in lower case': ['Headers arrive as they were sent, names and values'],
  'trims header values and drops empty ones': ['Headers arrive as they were sent, names and values'],
  'loses contentType': ['Everything said of a message arrives with it'],
  'loses key': ['The wire carries what the publisher gave, the handler gets what the schema makes of it'],
  'loses source': ['Everything said of a message arrives with it'],
  'loses publishedAt': ['A delayed message arrives as it was published'],
  'loses dueAt': ['Everything said of a message arrives with it'],
  'loses correlationId': ['What a handler publishes carries the conversation on'],
  'loses causationId': ['What a handler publishes carries the conversation on'],
  'loses expiresAt': ['Everything said of a message arrives with it'],
  'loses version': ['A delayed message arrives as it was published'],
  'keeps times to the second': ['A delayed message arrives as it was published'],
  'makes up a key and a conversation': ['What was not said of a message is not made up'],
  'adds headers of its own': ['What was not said of a message is not made up'],
  'drops messages that have expired': [
    'The broker drops no message that has expired: the module discards and counts it',
  ],
  'drops topic messages that are not its own': [
    'Plain JSON from a producer that has never heard of the module is delivered',
    'Headers of such a producer arrive as text',
  ],
  'drops tasks that are not its own': ['Plain JSON sent to a queue by such a producer is delivered'],
  'drops headers of foreign messages': ['Headers of such a producer arrive as text'],
  'fails on headers it did not write': [
    'Messages without headers, or with headers of other kinds, are handled',
  ],
  'gives a foreign message another id at each attempt': [
    'Such a message is retried and dead-lettered as any other, its bytes untouched',
  ],
  'skips a byte-order mark': [
    'Such a message is retried and dead-lettered as any other, its bytes untouched',
  ],
  'wraps payloads in an envelope': [
    'A consumer that has never heard of the module reads the payload and nothing else',
  ],
  'never reconnects': ['Handling and publishing go on after a cut connection'],
  'forgets its consumers when the connection is cut': [
    'Handling and publishing go on after a cut connection',
    'A message in hand when the connection is cut is not lost, and uses up no attempt',
  ],
  'forgets its broadcasts when the connection is cut': ['A broadcast goes on after a cut connection'],
  'says that it is ready while the broker is away': [
    'While the broker is away health is not ready and says why, and is ready again by itself',
  ],
  'says that it is ready without its queue': [
    'A subscription whose queue or topic is deleted is not ready and says why, and works again once there is one',
  ],
  'engine: forgets what was wrong': [
    'Health says since when each part is as it is, and afterwards what was wrong',
  ],
  'says that nothing waits': ['The broker tells how much waits for a subscription'],
  'does not say how much waits': ['The broker tells how much waits for a subscription'],
  'engine: watches no circuit': [
    'While a circuit is open its subscription takes nothing, none of its messages is set aside, and all are handled when it closes',
  ],
  'engine: changes no concurrency': [
    'How many handlers run at a time can be changed while they do, and no message is lost or handled twice',
  ],
  'has as much in hand as it began with, whatever it is told': [
    'How much a consumer has in hand can be changed while it runs, and nothing is interrupted',
  ],
  'changes nothing of a consumer that runs': [
    'How much a consumer has in hand can be changed while it runs, and nothing is interrupted',
  ],
  'does not report a lost connection': [
    'While the broker is away health is not ready and says why, and is ready again by itself',
  ],
  'tells the password of a broker that cannot be reached': [
    'A broker that cannot be reached at start fails in bounded time, naming the address and no password',
  ],
  'does not name the broker that cannot be reached': [
    'A broker that cannot be reached at start fails in bounded time, naming the address and no password',
  ],
  'waits for ever for a broker that cannot be reached': [
    'A broker that cannot be reached at start fails in bounded time, naming the address and no password',
  ],
  'is always ready': ['Ready from connecting to closing, and never without a reason when not'],
  'does not say why it is not ready': [
    'While the broker is away health is not ready and says why, and is ready again by itself',
    'Ready from connecting to closing, and never without a reason when not',
  ],
  'has one part for everything': ['Every subscription has a part of its own'],
  'reports nothing': ['A broker that does not keep messages through a restart says so'],
  'creates what it was told only to use': [
    "With topology 'validate', a missing subscription is refused by name",
    "With topology 'validate', a message for a missing queue is refused",
    "With topology 'none', a missing subscription is refused by name",
    "With topology 'none', a message for a missing queue is refused",
  ],
  'refuses whatever it may not create': [
    "With topology 'validate', what exists is used",
    "With topology 'none', what exists is used",
  ],
  'does not name what is missing': [
    "With topology 'validate', a missing subscription is refused by name",
    "With topology 'none', a missing subscription is refused by name",
  ],
  'makes a subscription anew when one of its options changes': [
    'Starting again changes nothing on the broker, whatever the handler’s options are by then',
  ],
  'refuses a subscription that another start has made': [
    'Starting again changes nothing on the broker, whatever the handler’s options are by then',
  ],
  'ignores options that it does not know': ['Options for a broker that it does not know are refused'],
  'engine: takes a handler that throws for one that is done': [
    'A handler that throws an error is tried as often as configured, then its message is set aside',
  ],
  'engine: takes what is no error for none': [
    'A handler that throws text is tried as often as configured, then its message is set aside',
    'A handler that throws `undefined` is tried as often as configured, then its message is set aside',
    'A handler that throws a frozen object is tried as often as configured, then its message is set aside',
  ],
  'engine: does not wait for a handler’s promise': [
    'A handler that throws a rejected promise is tried as often as configured, then its message is set aside',
    'A handler that is still busy does not hold up those of other subscriptions',
  ],
  'engine: takes every outcome for an ordinary error': [
    '`RetryLater` says when the next attempt is due',
    '`DeadLetter` sets a message aside at once, with its reason',
    '`Discard` is the end of a message, and is counted',
    'Errors that a handler names under `never` are not retried',
  ],
  'engine: knows no time limit': [
    'A handler that never returns has failed when its time is up, and holds up nobody',
  ],
  'engine: does not bound how many handlers run': [
    'No more handlers run at a time than `concurrency` says',
    'No more batches are handled at a time than `concurrency` says, and all fill',
  ],
  'engine: tries ten times, whatever is configured': [
    'A handler that throws an error is tried as often as configured, then its message is set aside',
  ],
  'engine: checks no schema': [
    'A payload that does not fit its schema is set aside at its first attempt',
    'The wire carries what the publisher gave, the handler gets what the schema makes of it',
    'A payload that does not fit its schema is refused on publish',
  ],
  'engine: hands bodies over that it cannot read': [
    'A message with malformed JSON is set aside at its first attempt, its bytes untouched',
    'A message with cut UTF-8 is set aside at its first attempt, its bytes untouched',
    'A message with binary is set aside at its first attempt, its bytes untouched',
  ],
  'engine: handles JSON objects alone': ['Every JSON value is a payload'],
  'engine: opens payloads that look like an envelope': [
    'A message with a key that pollutes prototypes is set aside at its first attempt, its bytes untouched',
    'JSON that is unusual is handled: `null`, a byte-order mark, another media type',
    'Payloads whose fields are called `value`, `key`, `headers`, `data`, `pattern` or `id` arrive as sent',
  ],
  'engine: writes the payload when it is sent, not when it is published': [
    'The caller’s object may be changed right after `publish` was called',
  ],
  'engine: forgets whose handling published a message': [
    'What a handler publishes carries the conversation on',
  ],
  'engine: handles what is late': ['Late messages are discarded and counted, not handled'],
  'engine: sends whatever it is given': [
    'A body beyond the limit is refused before it is sent, and the connection stays usable',
    'A message whose names or headers cannot be sent is refused before it is sent',
  ],
  'engine: does not drain': [
    'Handlers that run when shutdown begins end and are settled; nothing new starts',
  ],
  'engine: starts what waits while it drains': [
    'Handlers that run when shutdown begins end and are settled; nothing new starts',
    'A handler that hangs through shutdown is told at the deadline, and its message comes back',
    'A message that waits in order for its key is returned unhandled at shutdown',
  ],
  'engine: drains for ever': [
    'A handler that hangs through shutdown is told at the deadline, and its message comes back',
  ],
  'engine: closes on top of publishes': ['Publishes under way when shutdown begins are finished first'],
  'engine: ends publishing when draining begins': [
    'Publishing goes on while handlers drain, and rejects after the end',
  ],
  'engine: accepts publishes after the end': [
    'Publishing goes on while handlers drain, and rejects after the end',
  ],
  'engine: waits for a confirmation for ever': [
    'A publish that the broker does not confirm in time rejects, and says that the outcome is unknown',
  ],
  'engine: knows no order': [
    'In an ordered subscription, a failing message holds up its own key alone, and its key in order',
    'In an ordered subscription, a key goes on after a message that was set aside',
    'In an ordered subscription, batches keep the order of each key, retries included',
  ],
  'engine: holds up every key behind one that fails': [
    'In an ordered subscription, a failing message holds up its own key alone, and its key in order',
  ],
  'engine: takes a broadcast for a subscription of the group': [
    'A broadcast that fails is tried again in its process, and is counted at last',
  ],
  'waits for ever to subscribe while the broker is away': [
    'A subscription that cannot be made in time is refused, not waited for without end',
  ],
  'hides the broker client’s own message': [
    'The broker client’s own message is there, for what only it can tell',
  ],
  'engine: gives every handler five minutes, whatever it says': [
    'A handler may take an hour, where its time-out says so',
  ],
  'engine: hands batches over message by message': [
    'A handler of batches gets as many messages at a time as it asks for',
    'No more batches are handled at a time than `concurrency` says, and all fill',
  ],
  'engine: hands over larger batches than asked for': [
    'A handler of batches gets as many messages at a time as it asks for',
  ],
  'engine: waits for no batch to fill': [
    'A handler of batches gets as many messages at a time as it asks for',
    'A batch that does not fill is handed over when its first message has waited long enough',
  ],
  'engine: waits for each batch to fill': [
    'A batch that does not fill is handed over when its first message has waited long enough',
  ],
  'engine: gives a batch’s messages in another order than its payloads': [
    'A handler of batches gets as many messages at a time as it asks for',
  ],
  'engine: fails a batch with each of its messages': [
    'A message of a batch that fails is retried and set aside alone; the others are done',
  ],
  'engine: takes a failed message of a batch for one that is done': [
    'A message of a batch that fails is retried and set aside alone; the others are done',
    'In an ordered subscription, batches keep the order of each key, retries included',
  ],
  'engine: fails what was done with the rest of its batch': [
    'A message that a handler has called done stays so when the rest of its batch fails',
  ],
  'engine: sets a batch aside for one of its messages': [
    'A batch whose handler throws is retried, and each of its messages counts its own attempts',
    'No message is set aside because another of its batch fails: the last attempt of each is its own',
  ],
  'engine: hands poison over in a batch': [
    'Poison in a batch is set aside alone, at its first attempt, and the rest is handled',
  ],
  'engine: waits for batches to fill while it drains': [
    'Shutdown while a batch gathers waits for nothing and loses nothing',
  ],
  'engine: drops what is gathered when it drains': [
    'Shutdown while a batch gathers waits for nothing and loses nothing',
  ],
  'engine: pauses nothing': [
    'A subscription that is paused takes nothing, and loses nothing until it is resumed',
    'Health shows what is paused, and is ready',
  ],
  'engine: cannot resume': [
    'A subscription that is paused takes nothing, and loses nothing until it is resumed',
  ],
  'engine: pauses without waiting': ['Pausing waits until what runs has ended and is settled'],
  'engine: pauses whatever it is told to': ['Pausing what no handler of the process has is refused'],
  'engine: takes what is paused for lost': ['Health shows what is paused, and is ready'],
  'engine: says nothing of what is paused': ['Health shows what is paused, and is ready'],
  'stops the consumers of other processes with its own': [
    'Pausing a subscription in one process leaves the others of its group working',
  ],
  'replays nothing': ['A replay from the beginning delivers again what was handled, at its first attempt'],
  'replays all there is, whatever the time': [
    'A replay from a time delivers what was published since then, and nothing older',
  ],
  'counts on where a replayed message left off': [
    'A replay from the beginning delivers again what was handled, at its first attempt',
  ],
  'replays to every group': ['A replay concerns its own group alone'],
  'skips what is still to be handled in a replay': ['A replay skips nothing that is still to be handled'],
  'replays beneath consumers that run, and what does not exist': [
    'A replay is refused while another process takes messages of the group, and both go on',
    'A replay of a subscription that does not exist is refused, and makes none',
  ],
  'does not say what keeps a replay from beginning': [
    'A replay is refused while another process takes messages of the group, and both go on',
  ],
  'engine: leaves a subscription without its consumer when its replay is refused': [
    'A replay is refused while another process takes messages of the group, and both go on',
  ],
  'engine: resumes what was paused when it has replayed': [
    'A replay skips nothing that is still to be handled',
  ],
  'engine: replays its own subscriptions alone': [
    'A subscription can be replayed by a process that has no handler of it',
  ],
  'plans what it does not make': ['What the plan says is made on the broker, and nothing else'],
  'makes what it does not plan': ['What the plan says is made on the broker, and nothing else'],
  'plans to do what it cannot': ['A plan gives what the broker can do, and nothing else'],
  'does not say how it does what it plans': ['A plan gives what the broker can do, and nothing else'],
  'plans to delay nothing, and does': ['A plan gives what the broker can do, and nothing else'],
  'plans nothing before it is connected': [
    'Planning needs no connection, and makes nothing',
    'A plan refuses options that subscribing refuses',
  ],
  'makes what it is asked to plan': ['Planning needs no connection, and makes nothing'],
  'finds no fault with anything': [
    'An examination tells what is missing and makes nothing, and finds no fault with what is there',
  ],
  'finds fault with what is there': [
    'An examination tells what is missing and makes nothing, and finds no fault with what is there',
  ],
  'makes what it examines': [
    'An examination tells what is missing and makes nothing, and finds no fault with what is there',
  ],
  'establishes nothing': [
    'What was established keeps what is published, and takes none of it, until its first handler comes',
  ],
  'handles what it is asked to establish': [
    'What was established keeps what is published, and takes none of it, until its first handler comes',
  ],
  'plans what it will refuse': ['A plan refuses options that subscribing refuses'],
};
