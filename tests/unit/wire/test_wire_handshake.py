"""The proofs of the link handshake: published vectors, and everything that must be refused."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsing.ids import NodeId
from pulsing.wire.handshake import (
    Accepted,
    Choice,
    ClientHandshake,
    Headers,
    Outcome,
    Refused,
    ServerHandshake,
    Terms,
    link_key,
    plain_binding,
    root_of_passphrase,
    root_of_token,
    salt_of,
    tls_binding,
)

CLUSTER = "pulsing"
ID_C, ID_S = NodeId(0x0123456789ABCDEF), NodeId(0xFEDCBA9876543210)
N_C, N_S = bytes(range(0x20)), bytes(range(0x20, 0x40))
KEY = bytes.fromhex("6a59979073ecf2f72cad496986da607db709f31b2f4fddd97fa10faf0930655c")
OTHER_KEY = bytes(32)
CB = tls_binding(b"cert")
TERMS_S = Terms(control_port=7001)


def client(key: bytes | None = KEY, **changes: object) -> ClientHandshake:
    arguments: dict[str, object] = {"node_id": ID_C, "cluster": CLUSTER, "terms": Terms(), "nonce": N_C, **changes}
    return ClientHandshake(key, **arguments)  # type: ignore[arg-type]


def server(*keys: bytes, **changes: object) -> ServerHandshake:
    arguments: dict[str, object] = {"node_id": ID_S, "cluster": CLUSTER, "terms": TERMS_S, "nonce": N_S, **changes}
    return ServerHandshake(keys or None, **arguments)  # type: ignore[arg-type]


def header(headers: Headers, name: str) -> str:
    return dict(headers)[name]


def refused(outcome: Outcome) -> Refused:
    assert isinstance(outcome, Refused)
    return outcome


def accepted(outcome: Outcome) -> Accepted:
    assert isinstance(outcome, Accepted)
    return outcome


def test_derivation_from_a_passphrase_matches_the_published_vectors() -> None:
    root = root_of_passphrase("correct horse battery", CLUSTER)
    assert salt_of(CLUSTER).hex() == "6a56a29a377be42690534dd84527a603c95b67348e47b06f22462db4890e9177"
    assert root.hex() == "dd2750c58ad8ab4ebb33da63e02e3e3b8fcba15c8ff069ad39b1a0debb205dec"
    assert link_key(root) == KEY


def test_derivation_from_a_token_matches_the_published_vectors() -> None:
    root = root_of_token(bytes(range(32)), CLUSTER)
    assert root.hex() == "1caa086b1c1c95a40d41803e91b8d2a79af2bf6c787aa8b738f1924d547b22b7"
    assert link_key(root).hex() == "728a2b31241a0f307f9dc284cc7de56589cc613b14c2e1858788d3e0ee8d07d0"


def test_bindings_match_the_published_vectors() -> None:
    assert CB.hex() == "06298432e8066b29e2223bcc23aa9504b56ae508fabf3435508869b9c3190e22"
    plain = plain_binding("127.0.0.1", 8000)
    assert plain.hex() == "2ae5cdd33aa05e90e5d976ae1f2bcacf832b3c4a20144d9b423dcf7d97d1169b"


def test_a_mapped_address_binds_like_the_ipv4_address_inside() -> None:
    assert plain_binding("::ffff:127.0.0.1", 8000) == plain_binding("127.0.0.1", 8000)
    assert plain_binding("::1", 8000) != plain_binding("127.0.0.1", 8000)


def test_the_three_proofs_match_the_published_vectors() -> None:
    dialler, acceptor = client(), server(KEY)
    request = dialler.request(CB)
    assert header(request, "Authorization") == (
        f"Pulsing 0123456789abcdef.{N_C.hex()}.a873a2446f281905639cdd7e790bd65dac7fcf785a9e8391b1e1baaacd9b3cf0"
    )
    assert header(request, "Pulsing-Link") == "v=1-1;pickle=0"
    answer = acceptor.receive(request, CB)
    assert header(answer.headers, "Pulsing-Auth") == (
        f"fedcba9876543210.{N_S.hex()}.8212bea92f78be4f2e815a1e48dff41f0e2c1fbc13750386d1ee88840bf1cc01"
    )
    assert header(answer.headers, "Pulsing-Link") == "v=1;pickle=0;ctl=7001"
    assert dialler.receive(101, answer.headers) == Accepted(ID_S, 1, False, 7001)
    assert dialler.confirmation is not None
    assert dialler.confirmation.hex() == "0e3b184bf3fa0c3de0fd8ad7227db300e673dcafe8d53a8e6f58c77e74a8082f"
    assert acceptor.confirms(dialler.confirmation)


def test_the_proof_of_a_token_on_a_plain_link_matches_the_published_vector() -> None:
    request = client(link_key(root_of_token(bytes(range(32)), CLUSTER))).request(plain_binding("127.0.0.1", 8000))
    assert header(request, "Authorization").endswith("4744e96fde2a90ac5f0a46f42835a39869dbcf836456eb1d72c65be956bc3590")


def test_both_ends_learn_who_the_other_is() -> None:
    dialler, acceptor = client(), server(KEY)
    answer = accepted(acceptor.receive(dialler.request(CB), CB))
    assert answer.node_id == ID_C
    assert accepted(dialler.receive(101, answer.headers)).node_id == ID_S


@pytest.mark.parametrize(("dials", "accepts", "agreed"), [(1, 1, True), (1, 0, False), (0, 1, False), (0, 0, False)])
def test_pickle_is_agreed_only_if_both_want_it(dials: int, accepts: int, agreed: bool) -> None:
    dialler, acceptor = client(terms=Terms(pickle=bool(dials))), server(KEY, terms=Terms(pickle=bool(accepts)))
    answer = accepted(acceptor.receive(dialler.request(CB), CB))
    assert answer.pickle is agreed
    assert accepted(dialler.receive(101, answer.headers)).pickle is agreed


def test_the_highest_common_version_is_chosen() -> None:
    assert Terms(versions=(2, 5)).choose("v=1-3;pickle=0") == Choice(3, False, None)


def test_unknown_keys_of_an_offer_are_ignored() -> None:
    assert Terms().choose("v=1-1;pickle=0;colour=red;;x") == Choice(1, False, None)


def test_another_key_cluster_or_channel_is_refused_with_one_answer() -> None:
    answers = [
        server(OTHER_KEY).receive(client().request(CB), CB),
        server(KEY, cluster="other").receive(client().request(CB), CB),
        server(KEY).receive(client().request(CB), tls_binding(b"another cert")),
        server(KEY).receive([], CB),
        server(KEY).receive([("Authorization", "Basic eA==")], CB),
    ]
    assert {(refused(answer).status, str(answer.headers), answer.body) for answer in answers} == {
        (401, "[('WWW-Authenticate', 'Pulsing')]", answers[0].body)
    }
    assert all(refused(answer).counts for answer in answers)


def test_an_acceptor_without_a_single_key_lets_nobody_in() -> None:
    acceptor = ServerHandshake([], ID_S, CLUSTER, TERMS_S, N_S)
    assert not acceptor.receive(client(None).request(CB), CB).accepted
    assert not acceptor.receive(client().request(CB), CB).accepted


def test_a_replayed_request_does_not_confirm_on_a_fresh_nonce() -> None:
    recorded = client()
    request = recorded.request(CB)
    recorded.receive(101, server(KEY).receive(request, CB).headers)
    assert recorded.confirmation is not None
    again = server(KEY, nonce=bytes(32))
    assert again.receive(request, CB).accepted
    assert not again.confirms(recorded.confirmation)


@pytest.mark.parametrize("message", [b"", bytes(31), bytes(32), bytes(33), N_S])
def test_any_other_first_message_does_not_confirm(message: bytes) -> None:
    acceptor = server(KEY)
    acceptor.receive(client().request(CB), CB)
    assert not acceptor.confirms(message)


def test_nothing_confirms_before_a_proof_was_accepted() -> None:
    assert not server(KEY).confirms(b"")


def _mutations(text: str) -> list[str]:
    longer = [text + "0", " " + text, text + " ", text + "\n", text.upper(), text.replace(".", "..", 1)]
    return [text[:-1], text[:40], text.rpartition(".")[0], text.replace("Pulsing ", "pulsing "), *longer]


@pytest.mark.parametrize("index", range(10))
def test_a_truncated_or_altered_credential_is_refused(index: int) -> None:
    (name, value), link = client().request(CB)
    assert refused(server(KEY).receive([(name, _mutations(value)[index]), link], CB)).status == 401


def test_a_repeated_header_is_refused() -> None:
    credential, link = client().request(CB)
    assert refused(server(KEY).receive([credential, credential, link], CB)).status == 401
    assert refused(server(KEY).receive([credential, link, link], CB)).status == 401


def test_an_altered_offer_is_refused() -> None:
    credential, _ = client().request(CB)
    assert refused(server(KEY).receive([credential, ("Pulsing-Link", "v=1-1;pickle=1")], CB)).status == 401


@given(st.text(alphabet=string.hexdigits + "Pulsing-. \n", max_size=200))
def test_no_text_is_taken_for_a_credential(text: str) -> None:
    assert not server(KEY).receive([("Authorization", text), ("Pulsing-Link", "v=1-1;pickle=0")], CB).accepted


@given(st.text(max_size=300))
def test_any_offer_gives_a_choice_or_nothing(text: str) -> None:
    choice = Terms().choose(text)
    assert choice is None or choice.version == 1
    Choice.parse(text)


def test_an_acceptor_without_the_secret_is_found_out() -> None:
    dialler = client()
    dialler.request(CB)
    zeros = f"{ID_S}.{N_S.hex()}.{'0' * 64}"
    for headers in ([], [("Pulsing-Auth", zeros)], [("Pulsing-Auth", zeros), ("Pulsing-Link", "v=1;pickle=0")]):
        assert refused(dialler.receive(101, headers)).fault == "rogue"
    assert dialler.confirmation is None


def test_an_acceptors_altered_choice_is_found_out() -> None:
    dialler = client(terms=Terms(pickle=True))
    answer = server(KEY).receive(dialler.request(CB), CB)
    altered = [("Pulsing-Auth", header(answer.headers, "Pulsing-Auth")), ("Pulsing-Link", "v=1;pickle=1;ctl=7001")]
    assert refused(dialler.receive(101, altered)).fault == "rogue"


def test_the_dialler_takes_no_choice_outside_its_offer() -> None:
    dialler = client()
    answer = server(KEY, terms=Terms(versions=(1, 2))).receive(dialler.request(CB), CB)
    assert dialler.receive(101, answer.headers).accepted
    eager = ServerHandshake([KEY], ID_S, CLUSTER, _Eager(), N_S)
    assert refused(dialler.receive(101, eager.receive(dialler.request(CB), CB).headers)).fault == "rogue"


def test_no_answer_brings_a_dialler_that_knows_the_secret_to_do_without_it() -> None:
    insecure = f"Pulsing-Insecure {ID_S}"
    for auth in (insecure, str(ID_S), f"{ID_S}.{N_S.hex()}.", f"{insecure}.{N_S.hex()}.{'0' * 64}"):
        dialler = client(terms=Terms(versions=(1, 2)))
        dialler.request(CB)
        assert (
            refused(dialler.receive(101, [("Pulsing-Auth", auth), ("Pulsing-Link", "v=1;pickle=0")])).fault == "rogue"
        )
        assert dialler.confirmation is None


def test_a_version_that_was_lowered_on_the_way_is_found_out_at_both_ends() -> None:
    both = Terms(versions=(1, 2))
    dialler, acceptor = client(terms=both), server(KEY, terms=both)
    proof, _link = dialler.request(CB)
    assert refused(acceptor.receive([proof, ("Pulsing-Link", "v=1-1;pickle=0")], CB)).fault == "unproven"
    answer = server(KEY, terms=both).receive(dialler.request(CB), CB)
    assert accepted(answer).version == 2
    lowered = [("Pulsing-Auth", header(answer.headers, "Pulsing-Auth")), ("Pulsing-Link", "v=1;pickle=0;ctl=7001")]
    assert refused(dialler.receive(101, lowered)).fault == "rogue"


class _Eager(Terms):
    def choose(self, offer: str) -> Choice:
        return Choice(1, True, None)


def test_the_diallers_own_proof_sent_back_proves_nothing() -> None:
    dialler = client()
    (_, value), _link = dialler.request(CB)
    reflected = [("Pulsing-Auth", value.removeprefix("Pulsing ")), ("Pulsing-Link", "v=1;pickle=0")]
    assert refused(dialler.receive(101, reflected)).fault == "rogue"


def test_a_node_that_dials_itself_is_recognised_and_not_counted() -> None:
    acceptor = server(KEY, node_id=ID_C, own_nonces={N_C})
    answer = refused(acceptor.receive(client().request(CB), CB))
    assert (answer.status, answer.fault, answer.counts) == (401, "itself", False)
    assert acceptor.own_nonce == N_C


def test_a_reflection_through_another_channel_is_not_taken_for_oneself() -> None:
    acceptor = server(KEY, node_id=ID_C, own_nonces={N_C})
    assert refused(acceptor.receive(client().request(CB), plain_binding("127.0.0.1", 1))).fault == "unproven"
    assert acceptor.own_nonce is None


def test_no_common_version_names_both_ranges() -> None:
    dialler = client(terms=Terms(versions=(1, 2)))
    answer = refused(server(KEY, terms=Terms(versions=(3, 4))).receive(dialler.request(CB), CB))
    assert (answer.status, answer.counts, header(answer.headers, "Pulsing-Link")) == (400, False, "v=3-4")
    verdict = refused(dialler.receive(400, answer.headers))
    assert verdict.fault == "version"
    assert "1-2" in verdict.reason and "3-4" in verdict.reason


def test_an_unproven_version_answer_is_not_believed() -> None:
    dialler = client()
    dialler.request(CB)
    assert refused(dialler.receive(400, [("Pulsing-Link", "v=3-4")])).fault == "other"


def test_while_a_secret_is_rotated_the_old_and_the_new_one_are_accepted() -> None:
    for key in (KEY, OTHER_KEY):
        dialler, acceptor = client(key), server(KEY, OTHER_KEY)
        answer = acceptor.receive(dialler.request(CB), CB)
        assert dialler.receive(101, answer.headers).accepted
        assert dialler.confirmation is not None and acceptor.confirms(dialler.confirmation)


def test_two_insecure_nodes_tell_their_ids_and_agree_to_no_pickle() -> None:
    dialler = client(None, terms=Terms(pickle=True))
    answer = accepted(server(terms=Terms(pickle=True)).receive(dialler.request(CB), CB))
    assert (answer.node_id, answer.authenticated, answer.pickle) == (ID_C, False, False)


def test_insecure_mode_confirms_nothing() -> None:
    dialler, acceptor = client(None), server()
    verdict = accepted(dialler.receive(101, acceptor.receive(dialler.request(CB), CB).headers))
    assert (verdict.node_id, verdict.authenticated, dialler.confirmation) == (ID_S, False, None)
    assert acceptor.confirmation is None


def test_an_insecure_node_that_dials_itself_is_recognised() -> None:
    dialler, acceptor = client(None), server(node_id=ID_C)
    answer = refused(acceptor.receive(dialler.request(CB), CB))
    assert refused(dialler.receive(answer.status, answer.headers)).fault == "itself"


def test_an_insecure_and_a_secure_node_name_the_mode() -> None:
    for dialler, acceptor in ((client(), server()), (client(None), server(KEY))):
        answer = refused(acceptor.receive(dialler.request(CB), CB))
        verdict = refused(dialler.receive(answer.status, answer.headers))
        assert verdict.fault == "mode"
        assert "insecure" in verdict.reason


def test_the_hint_of_a_refusal_names_what_to_set() -> None:
    dialler = client()
    answer = server(OTHER_KEY).receive(dialler.request(CB), CB)
    hint = refused(dialler.receive(401, answer.headers)).reason
    assert all(word in hint for word in ("PULSING_PASSPHRASE", "cluster.token", "cluster name", "'pulsing'"))


def test_what_asks_for_another_kind_of_proof_is_no_node_with_another_secret() -> None:
    dialler = client()
    dialler.request(CB)
    verdict = refused(dialler.receive(401, [("www-authenticate", 'Bearer realm="pulsing"')]))
    assert (verdict.fault, "admin plane" in verdict.reason) == ("other", True)
