%% @doc What is in the mailbox of a case, what comes next, and that nothing
%% comes.
-module(mailbox).

-export([next/0, next_now/0, messages/1, none/0, stay/1]).

-define(TIMEOUT, 10_000).

%% The next message, whatever it is.
-spec next() -> term() | timeout.
next() ->
    receive Message -> Message after ?TIMEOUT -> timeout end.

%% The next message if it is here already.
-spec next_now() -> term() | none.
next_now() ->
    receive Message -> Message after 0 -> none end.

%% The next Count messages, whatever they are.
-spec messages(non_neg_integer()) -> [term()].
messages(0) ->
    [];
messages(Count) ->
    receive
        Message -> [Message | messages(Count - 1)]
    after ?TIMEOUT ->
        [{missing, Count}]
    end.

%% Fails if there is a message, or one is on its way.
-spec none() -> ok.
none() ->
    ok = witness:has_come(),
    case next_now() of
        none -> ok;
        Message -> ct:fail({unexpected, Message})
    end.

%% Waits until exactly these messages have come, in this order, and leaves them
%% in the mailbox. (Looking at the mailbox again and again would do, but then a
%% stock node with nothing else to do can take seconds to notice input.)
-spec stay([term()]) -> ok.
stay(Messages) ->
    Messages = [next() || _ <- Messages],
    [] = tcp_pairs:flush(),
    [self() ! Message || Message <- Messages],
    ok.
