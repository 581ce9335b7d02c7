%% @doc Replies to the calls that callers have written themselves, and the calls that they withdraw.
%%
%% A reply and a withdrawal meet in the router, which so decides which of them was first. A caller that
%% gets `timeout' has lost nothing: what its call of `recv' brings later is for the next one.
%% @private
-module(gentcp_replies).

-export([hand_on/4, withdraw/3, forget_withdrawn/2, report_told/2]).

-include("gentcp_router.hrl").

%% @doc Hands a reply to the caller it is for, from a frame of some size. Throws `{lie, What}' if
%% nobody has called.
-spec hand_on(gentcp_proto:caller() | forged, term(), non_neg_integer(), #state{}) -> ok.
hand_on({Alias, Receiver, Id}, {ok, Packet}, Size, #state{withdrawn = Withdrawn} = State)
  when is_pid(Receiver) ->
    case is_process_alive(Receiver) andalso not is_map_key(Alias, Withdrawn) of
        true ->
            add_told(Id, State),
            gentcp_delivery:tell(Alias, {ok, gentcp_delivery:part(Packet, Size)});
        %% Killed while it waited, or its time was over: the next receiver gets it. Parsed items
        %% cannot go back.
        false when is_binary(Packet); is_list(Packet) ->
            gentcp_sockets:ask(Id, {unread, Id, Packet}, State);
        false ->
            add_told(Id, State)
    end;
hand_on({Alias, Id, Arming}, Result, _Size, #state{credit = Credit} = State) when is_atom(Arming) ->
    case gentcp_sockets:socket(Id, State) of
        #socket{slot = Slot} ->
            gentcp_credit:armed(Credit, Slot, Id, case Result of ok -> Arming; _ -> none end);
        none ->
            ok
    end,
    gentcp_delivery:tell(Alias, Result);
hand_on({Alias, _Receiver, _Id}, Result, _Size, _State) ->
    gentcp_delivery:tell(Alias, Result);
hand_on(Alias, Result, _Size, _State) when is_reference(Alias) ->
    gentcp_delivery:tell(Alias, Result);
hand_on(forged, _Result, _Size, _State) ->
    throw({lie, forged_tag}).

add_told(Id, #state{credit = Credit} = State) ->
    case gentcp_sockets:socket(Id, State) of
        #socket{slot = Slot} -> gentcp_credit:add_told(Credit, Slot);
        none -> ok
    end.

%% @doc The port program is unsure which answers of a socket have been told. By now all of them have
%% been, or will be given back before this.
-spec report_told(gentcp_proto:id(), #state{}) -> ok.
report_told(Id, #state{pen = Pen, credit = Credit} = State) ->
    case gentcp_sockets:socket(Id, State) of
        #socket{slot = Slot} ->
            Told = gentcp_credit:told(Credit, Slot, Id),
            gentcp_pen:cast(Pen, {told, Id, gentcp_proto:count(Told)});
        none ->
            ok
    end.

%% @doc A caller has waited for too long. What it has been answered is in its mailbox, or on the way
%% there; this comes behind it, and finds the alias used up.
-spec withdraw(opening | gentcp_proto:caller(), reference(), #state{}) -> #state{}.
withdraw(opening, Alias, State) ->
    gentcp_openings:withdraw(Alias, State);
withdraw({Alias, _Receiver, _Id} = Waiting, Alias, #state{pen = Pen, withdrawn = Withdrawn} = State) ->
    gentcp_pen:write(Pen, gentcp_proto:router_call({withdrawn, Alias},
                                                   {cancel, gentcp_proto:tag(Waiting)})),
    gentcp_delivery:tell(Alias, {error, timeout}),
    State#state{withdrawn = Withdrawn#{Alias => []}};
withdraw(Alias, Alias, #state{pen = Pen} = State) ->
    gentcp_pen:cast(Pen, {cancel, gentcp_proto:tag(Alias)}),
    gentcp_delivery:tell(Alias, {error, timeout}),
    State.

%% @doc The port program knows of a call that was withdrawn, and answers it no more.
-spec forget_withdrawn(reference(), #state{}) -> #state{}.
forget_withdrawn(Alias, #state{withdrawn = Withdrawn} = State) ->
    State#state{withdrawn = maps:remove(Alias, Withdrawn)}.
