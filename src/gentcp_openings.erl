%% @doc The opening of sockets: listen, connect and accept on their way, from the caller through the
%% router to the port program and back.
%%
%% The router watches who opens, so that no socket is left that nobody has: one that is opened when
%% its caller has died or given up is closed, and a connection goes to the next acceptor.
%% @private
-module(gentcp_openings).

-export([start/5, finish/3, cancel/2, withdraw/2, refuse/0]).

-include("gentcp_router.hrl").

%% @doc Sends an opening command of a caller, who waits with an alias for {@link finish/3}.
-spec start(pid(), reference(), gentcp_credit:settings(), gentcp_proto:command(), #state{}) ->
          #state{}.
start(Caller, Alias, Settings, Command, #state{pen = Pen} = State) ->
    {Tag, Registry} = gentcp_registry:add_opening(fun(Tag) ->
        Monitor = erlang:monitor(process, Caller, [{tag, {caller, Tag}}]),
        #opening{caller = Caller, alias = Alias, monitor = Monitor,
                 command = Command, settings = Settings}
    end, State#state.registry),
    State1 = State#state{registry = Registry},
    Frame = gentcp_proto:router_call(Tag, gentcp_kin:with_kin(Command, Caller)),
    case gentcp_proto:fits(Frame) of
        true ->
            gentcp_pen:write(Pen, Frame),
            State1;
        false ->
            finish(Tag, {error, einval}, State1)
    end.

%% @doc An opening has been answered. Throws `{lie, What}' if the answer cannot be true.
-spec finish(gentcp_registry:tag(), term(), #state{}) -> #state{}.
finish(Tag, Result, #state{registry = Registry} = State) ->
    case gentcp_registry:take_opening(Tag, Registry) of
        {#opening{monitor = Monitor} = Opening, Rest} ->
            true = erlang:demonitor(Monitor, [flush]),
            result(Result, Opening, State#state{registry = Rest});
        error ->
            throw({lie, answers_again})
    end.

result({ok, Id}, #opening{caller = Caller, alias = Alias} = Opening, State)
  when is_integer(Id), Id > 0 ->
    gentcp_sockets:socket(Id, State) =:= none orelse throw({lie, opens_again}),
    case Alias =/= withdrawn andalso is_process_alive(Caller) of
        true -> opened(Id, Opening, State);
        false -> not_wanted(Id, Opening, State)
    end;
result({error, _}, #opening{alias = withdrawn}, State) ->
    State;
result({error, _} = Error, #opening{alias = Alias}, State) ->
    gentcp_delivery:tell(Alias, Error),
    State.

opened(Id, #opening{caller = Caller, alias = Alias} = Opening, State) ->
    #state{port = Port, pen = Pen, credit = Credit, registry = Registry, early = Early} = State,
    {Slot, Registry1} = gentcp_registry:take_slot(Registry),
    S = {'$inet', gentcp, {Port, Id, Slot}},
    gentcp_ahead:begin_socket(State#state.loans, Slot),
    gentcp_credit:open(Credit, Slot, Id, settings(Opening, State)),
    gentcp_credit:window(Credit, Slot, Id, case Early of {Id, Window} -> Window; _ -> 0 end),
    Socket = #socket{id = Id, term = S, kind = kind(Opening), owner = Caller,
                     monitor = gentcp_sockets:monitor_owner(Id, Caller), slot = Slot},
    State1 = gentcp_sockets:keep(Socket, State#state{registry = Registry1, early = none}),
    %% From here on it belongs to the caller, who may die as any owner may.
    State2 = gentcp_sockets:report_kin(Socket, State1),
    _ = is_accept(Opening) andalso gentcp_pen:cast(Pen, {adopt, Id}),
    gentcp_delivery:tell(Alias, {ok, S}),
    State2.

%% Nobody is left to take it. A connection goes to the next acceptor.
not_wanted(Id, Opening, #state{pen = Pen} = State) ->
    case is_accept(Opening) of
        true -> gentcp_pen:cast(Pen, {return, Id});
        false -> gentcp_pen:cast(Pen, {close, Id})
    end,
    State#state{early = none}.

is_accept(#opening{command = Command}) ->
    element(1, Command) =:= accept.

kind(#opening{command = Command}) ->
    case element(1, Command) of
        listen -> listener;
        _ -> connection
    end.

settings(#opening{command = {accept, Listener, _, _}, settings = Default}, State) ->
    case gentcp_sockets:socket(Listener, State) of
        #socket{slot = Slot} -> gentcp_credit:settings(State#state.credit, Slot, Listener);
        none -> Default
    end;
settings(#opening{settings = Settings}, _State) ->
    Settings.

%% @doc The caller of an opening has died. The answer, if one is under way, finds it dead.
-spec cancel(gentcp_registry:tag(), #state{}) -> ok.
cancel(Tag, #state{pen = Pen}) ->
    gentcp_pen:cast(Pen, {cancel, Tag}).

%% @doc The caller of an opening has given up, unless it has been answered before.
-spec withdraw(reference(), #state{}) -> #state{}.
withdraw(Alias, #state{registry = Registry} = State) ->
    case gentcp_registry:withdraw_opening(Alias, Registry) of
        {Tag, Registry1} ->
            cancel(Tag, State),
            gentcp_delivery:tell(Alias, {error, timeout}),
            State#state{registry = Registry1};
        error ->
            State
    end.

%% @doc Whoever came too late, when the calling router is at its end, goes to the next router.
-spec refuse() -> ok.
refuse() ->
    receive
        {open, _Caller, Alias, _Settings, _Command} ->
            gentcp_delivery:tell(Alias, {error, noproc}),
            refuse()
    after 0 ->
        ok
    end.
