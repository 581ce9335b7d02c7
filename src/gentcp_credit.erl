%% @doc What is known of a socket on this side, without a message: how much a process may still
%% write without being answered, and a few settings and counts.
%%
%% It is shared between all who use a socket and the router: one `atomics' array for
%% each port program, some cells for each of its sockets. A handle names its slot in the array.
%% Slot 0 is none: a socket that got no slot has no window, so that each of its sends is called.
%%
%% <dl>
%% <dt>window</dt><dd>octets that the port program takes without delay, packed
%% with the lower bits of the socket's id, so that a handle kept beyond the
%% life of its socket never finds the window of the next one in the slot</dd>
%% <dt>reserved</dt><dd>octets that senders have been allowed to write, all together</dd>
%% <dt>returned</dt><dd>octets that the port program has given back, all together; those in
%% between are pending</dd>
%% <dt>activity</dt><dd>the active mode as far as it is known on this side: it
%% decides to whom the death of the port program is reported. The router alone writes it, as it
%% reads the messages of the socket and the replies to `setopts', so that what it says
%% has the order of those, whoever sets options at the same time</dd>
%% <dt>send timeout</dt><dd>the option `send_timeout', as far as it is known on this side: 0 for
%% `infinity', else 1 more than its milliseconds</dd>
%% <dt>told</dt><dd>how many answers of `recv' the router has told (PROTOCOL.md section 6.2)</dd>
%% </dl>
%%
%% A sender that is killed after its reservation and before its write, as one can be that waits for
%% a busy pipe, leaves octets pending that nobody will ever give back. {@link forgive/4} returns them.
%% @private
-module(gentcp_credit).

-export([new/1]).
-export([open/4, window/4, returned/3, close/2, add_told/2]).
-export([spent/3, fell/3, armed/4]).
-export([reserve/4, unreserve/4, reserved/3, forgive/4, is_blocked/3]).
-export([is_slot_of/3, settings/3, activity/3, send_timeout/3, set_send_timeout/4,
         told/3, requested/2, arming/1]).

-export_type([array/0, slot/0, activity/0, settings/0, arming/0]).

-opaque array() :: atomics:atomics_ref().
-type slot() :: non_neg_integer().
-type activity() :: passive | once | active.
-type settings() :: {activity(), SendTimeout :: timeout()}.
-type arming() :: passive | once | active | count.
%% What becomes of a socket with a `setopts': `count' is `{active, N}'.

-define(CELLS, 6).
-define(WINDOW(Slot), (?CELLS * (Slot) - 5)).
-define(RESERVED(Slot), (?CELLS * (Slot) - 4)).
-define(RETURNED(Slot), (?CELLS * (Slot) - 3)).
-define(ACTIVITY(Slot), (?CELLS * (Slot) - 2)).
-define(SEND_TIMEOUT(Slot), (?CELLS * (Slot) - 1)).
-define(TOLD(Slot), (?CELLS * (Slot))).

%% 24 bits of the id over 32 bits of window: a small integer in all, so the
%% cells cost no garbage.
-define(PACK(Id, Window), ((((Id) band 16#FFFFFF) bsl 32) bor (Window))).
-define(MAX_WINDOW, 16#FFFFFFFF).

%% Cells of activity. The last two are passive sockets with a packet, or an end, that came before the reply of the
%% `setopts' that asked for it.
-define(PASSIVE, 0).
-define(ONCE, 1).
-define(ACTIVE, 2).
-define(SPENT, 3).
-define(FALLEN, 4).

%% @doc An array for `Slots' sockets at a time.
-spec new(pos_integer()) -> array().
new(Slots) ->
    atomics:new(?CELLS * Slots, [{signed, true}]).

%%
%% The router's side
%%

%% @doc Gives a slot to a socket.
-spec open(array(), slot(), gentcp_proto:id(), settings()) -> ok.
open(_Array, 0, _Id, _Settings) ->
    ok;
open(Array, Slot, Id, {Activity, SendTimeout}) ->
    atomics:put(Array, ?RESERVED(Slot), 0),
    atomics:put(Array, ?RETURNED(Slot), 0),
    atomics:put(Array, ?ACTIVITY(Slot), encode(Activity)),
    atomics:put(Array, ?SEND_TIMEOUT(Slot), encode_timeout(SendTimeout)),
    atomics:put(Array, ?TOLD(Slot), 0),
    atomics:put(Array, ?WINDOW(Slot), ?PACK(Id, 0)).

%% @doc Sets the window of a socket. 0 has every send called.
-spec window(array(), slot(), gentcp_proto:id(), non_neg_integer()) -> ok.
window(_Array, 0, _Id, _Window) ->
    ok;
window(Array, Slot, Id, Window) ->
    atomics:put(Array, ?WINDOW(Slot), ?PACK(Id, min(Window, ?MAX_WINDOW))).

%% @doc So many octets have gone.
%%
%% No more are returned than were reserved: what seems to be more was forgiven before, and
%% has been written after all.
-spec returned(array(), slot(), non_neg_integer()) -> ok.
returned(_Array, 0, _Octets) ->
    ok;
returned(_Array, _Slot, 0) ->
    ok;
returned(Array, Slot, Octets) ->
    Returned = atomics:add_get(Array, ?RETURNED(Slot), Octets),
    case Returned - atomics:get(Array, ?RESERVED(Slot)) of
        Excess when Excess > 0 -> atomics:sub(Array, ?RETURNED(Slot), Excess);
        _ -> ok
    end.

%% @doc Takes the slot away: no handle matches it from now on.
-spec close(array(), slot()) -> ok.
close(_Array, 0) ->
    ok;
close(Array, Slot) ->
    atomics:put(Array, ?WINDOW(Slot), 0).

%% @doc An answer of `recv' is about to be told.
-spec add_told(array(), slot()) -> ok.
add_told(_Array, 0) ->
    ok;
add_told(Array, Slot) ->
    atomics:add(Array, ?TOLD(Slot), 1).

%% @doc A packet comes for the owner. It is the end of `once'. If the socket is passive, a `setopts'
%% has made it active whose reply is on its way behind the packet.
-spec spent(array(), slot(), gentcp_proto:id()) -> ok.
spent(Array, Slot, Id) ->
    case activity_cell(Array, Slot, Id) of
        ?ONCE -> put_activity(Array, Slot, ?PASSIVE);
        ?PASSIVE -> put_activity(Array, Slot, ?SPENT);
        _ -> ok
    end.

%% @doc It is reported to the owner that the socket is passive from now on, or at its end. If it was
%% passive already, a `setopts' as above is over with that, too.
-spec fell(array(), slot(), gentcp_proto:id()) -> ok.
fell(Array, Slot, Id) ->
    case activity_cell(Array, Slot, Id) of
        none -> ok;
        Cell when Cell =:= ?ONCE; Cell =:= ?ACTIVE -> put_activity(Array, Slot, ?PASSIVE);
        _ -> put_activity(Array, Slot, ?FALLEN)
    end.

%% @doc A `setopts' is answered: what it has made of the socket, unless that is over by now. An
%% error has made nothing of it.
-spec armed(array(), slot(), gentcp_proto:id(), arming() | none) -> ok.
armed(Array, Slot, Id, Arming) ->
    case activity_cell(Array, Slot, Id) of
        none -> ok;
        Cell -> put_activity(Array, Slot, armed(Arming, Cell))
    end.

armed(none, Cell) when Cell =:= ?SPENT; Cell =:= ?FALLEN -> ?PASSIVE;
armed(none, Cell) -> Cell;
armed(_, ?FALLEN) -> ?PASSIVE;
armed(once, ?SPENT) -> ?PASSIVE;
armed(once, _) -> ?ONCE;
armed(passive, _) -> ?PASSIVE;
armed(_TrueOrCount, _) -> ?ACTIVE.

%%
%% The senders' side
%%

%% @doc Whether `Size' octets may be sent without an answer. They count as
%% pending from now on if so.
%%
%% Between the two looks at the array the slot may pass to another socket. The
%% octets then count against that one: some of its sends will be called that
%% need not have been. Slots are handed out in turn, so this takes a sender
%% that stops between two instructions while every other slot is used.
-spec reserve(array(), slot(), gentcp_proto:id(), non_neg_integer()) -> boolean().
reserve(_Array, 0, _Id, _Size) ->
    false;
reserve(Array, Slot, Id, Size) ->
    Window = atomics:get(Array, ?WINDOW(Slot)) - ?PACK(Id, 0),
    if
        Size < Window, Window =< ?MAX_WINDOW ->
            Reserved = atomics:add_get(Array, ?RESERVED(Slot), Size),
            case Reserved - atomics:get(Array, ?RETURNED(Slot)) < Window of
                true ->
                    true;
                false ->
                    atomics:sub(Array, ?RESERVED(Slot), Size),
                    false
            end;
        true ->
            false
    end.

%% @doc Takes back the reservation of octets that have not been written.
-spec unreserve(array(), slot(), gentcp_proto:id(), non_neg_integer()) -> ok.
unreserve(Array, Slot, Id, Size) ->
    case is_slot_of(Array, Slot, Id) of
        true -> atomics:sub(Array, ?RESERVED(Slot), Size);
        false -> ok
    end.

%% @doc How much has been reserved so far: to be read before a send is called that has got no
%% reservation.
-spec reserved(array(), slot(), gentcp_proto:id()) -> non_neg_integer().
reserved(Array, Slot, Id) ->
    case is_slot_of(Array, Slot, Id) of
        true -> atomics:get(Array, ?RESERVED(Slot));
        false -> 0
    end.

%% @doc After the answer of such a send: returns what had been `Reserved' before it and is pending
%% still. The port program gives back all credit before a called send, unless its queue is not
%% empty; but then there is no window.
%%
%% Whoever had reserved it was killed before the write, or has been slow. In the second case
%% it is returned once more, see {@link returned/3}.
-spec forgive(array(), slot(), gentcp_proto:id(), Reserved :: non_neg_integer()) -> ok.
forgive(Array, Slot, Id, Reserved) ->
    case is_slot_of(Array, Slot, Id) andalso not is_blocked(Array, Slot, Id) of
        true ->
            Returned = atomics:get(Array, ?RETURNED(Slot)),
            _ = Returned < Reserved
                andalso atomics:compare_exchange(Array, ?RETURNED(Slot), Returned, Reserved),
            ok;
        false ->
            ok
    end.

%% @doc Whether the socket has been given no window, as when others wait to
%% send on it.
-spec is_blocked(array(), slot(), gentcp_proto:id()) -> boolean().
is_blocked(_Array, 0, _Id) ->
    true;
is_blocked(Array, Slot, Id) ->
    atomics:get(Array, ?WINDOW(Slot)) =:= ?PACK(Id, 0).

%%
%% Both
%%

%% @doc What a socket that is accepted from this one begins with.
-spec settings(array(), slot(), gentcp_proto:id()) -> settings().
settings(Array, Slot, Id) ->
    {activity(Array, Slot, Id), send_timeout(Array, Slot, Id)}.

%% @doc The active mode that a socket is in.
-spec activity(array(), slot(), gentcp_proto:id()) -> activity().
activity(Array, Slot, Id) ->
    case activity_cell(Array, Slot, Id) of
        %% Not known: a message too many is better than one too few.
        none -> active;
        ?ACTIVE -> active;
        ?ONCE -> once;
        _ -> passive
    end.

activity_cell(Array, Slot, Id) ->
    case is_slot_of(Array, Slot, Id) of
        true -> atomics:get(Array, ?ACTIVITY(Slot));
        false -> none
    end.

put_activity(Array, Slot, Cell) ->
    atomics:put(Array, ?ACTIVITY(Slot), Cell).

-spec send_timeout(array(), slot(), gentcp_proto:id()) -> timeout().
send_timeout(Array, Slot, Id) ->
    case is_slot_of(Array, Slot, Id) of
        true -> decode_timeout(atomics:get(Array, ?SEND_TIMEOUT(Slot)));
        false -> infinity
    end.

-spec set_send_timeout(array(), slot(), gentcp_proto:id(), timeout()) -> ok.
set_send_timeout(Array, Slot, Id, Timeout) ->
    case is_slot_of(Array, Slot, Id) of
        true -> atomics:put(Array, ?SEND_TIMEOUT(Slot), encode_timeout(Timeout));
        false -> ok
    end.

%% @doc How many answers of `recv' have been told. `unknown' where that is not counted.
-spec told(array(), slot(), gentcp_proto:id()) -> non_neg_integer() | unknown.
told(Array, Slot, Id) ->
    case is_slot_of(Array, Slot, Id) of
        true -> atomics:get(Array, ?TOLD(Slot));
        false -> unknown
    end.

%% @doc The settings after a list of options, as far as it shows.
-spec requested([term()], settings()) -> settings().
requested(Opts, {Activity, SendTimeout}) ->
    {active(Opts, Activity),
     case lists:keyfind(send_timeout, 1, Opts) of
         {send_timeout, infinity} -> infinity;
         {send_timeout, Timeout} when is_integer(Timeout), Timeout >= 0 -> Timeout;
         _ -> SendTimeout
     end}.

%% The first entry is applied last.
active(Opts, Default) ->
    case lists:keyfind(active, 1, Opts) of
        {active, false} -> passive;
        {active, once} -> once;
        {active, true} -> active;
        {active, N} when is_integer(N), N > 0 -> active;
        _ -> Default
    end.

%% @doc What a list of options for `setopts' makes of a socket; `none' if that cannot be seen, as
%% when it only counts down.
-spec arming([term()]) -> arming() | none.
arming(Opts) when is_list(Opts) ->
    case lists:keyfind(active, 1, Opts) of
        {active, N} when is_integer(N), N > 0 -> count;
        _ -> active(Opts, none)
    end;
arming(_Opts) ->
    none.

%% @doc Whether the slot still is the socket's.
-spec is_slot_of(array(), slot(), gentcp_proto:id()) -> boolean().
is_slot_of(_Array, 0, _Id) ->
    false;
is_slot_of(Array, Slot, Id) ->
    atomics:get(Array, ?WINDOW(Slot)) bsr 32 =:= Id band 16#FFFFFF.

encode(passive) -> ?PASSIVE;
encode(once) -> ?ONCE;
encode(active) -> ?ACTIVE.

encode_timeout(infinity) -> 0;
encode_timeout(Timeout) -> Timeout + 1.

decode_timeout(0) -> infinity;
decode_timeout(Cell) -> Cell - 1.
