"""Files of proofs about transfers: what is not one, or has no end, is refused before it is believed."""

import json
import os
import sys
from dataclasses import replace

import pytest

from mechopt import modelfile
from mechopt.closedform.contingent.transfers import contingent_transfers
from mechopt.proof.certificate import digest
from mechopt.proof.contingent.check import check_transfer_proof
from mechopt.proof.contingent.file import TransferProofError, is_transfer_proof, load_transfer_proof
from mechopt.study.transfer_proof import transfer_proof
from tests.proof.contingent.test_stacked_transfers import uncontrolled


@pytest.fixture(scope="module")
def proof():
    return transfer_proof(contingent_transfers(modelfile.load("liu-2025/crossed-signals"), "any", exact=True))


def saved(proof, path):
    proof.save(path)
    return path


def test_files_are_known_by_their_beginning(tmp_path, proof):
    path = saved(proof, tmp_path / "proof.json")
    assert is_transfer_proof(path)
    (tmp_path / "other.json").write_text('{"format":"mechopt certificate 1"}')
    for other in (tmp_path / "other.json", tmp_path, tmp_path / "none.json"):
        assert not is_transfer_proof(other)


@pytest.mark.skipif(sys.platform == "win32", reason="devices and pipes of POSIX")
def test_devices_and_pipes_are_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/zero", tmp_path / "pipe", tmp_path):
        with pytest.raises(TransferProofError, match="cannot read"):
            load_transfer_proof(path)


def test_files_are_read_up_to_a_limit_only(tmp_path, proof, monkeypatch):
    path = saved(proof, tmp_path / "proof.json")
    monkeypatch.setattr("mechopt.proof.contingent.file.MAX_BYTES", path.stat().st_size)
    assert load_transfer_proof(path) == proof
    path.write_text(path.read_text() + " ")
    with pytest.raises(TransferProofError, match="at most"):
        load_transfer_proof(path)


def test_keys_that_stand_twice_are_refused(tmp_path, proof):
    path = saved(proof, tmp_path / "proof.json")
    path.write_text(path.read_text().replace('"last":', '"last":"constant","last":', 1))
    with pytest.raises(TransferProofError, match="key 'last' stands twice"):
        load_transfer_proof(path)


@pytest.mark.parametrize("content", ["[]", "3", '{"format": "mechopt certificate 1"}', '{"digest": "0"}'])
def test_other_documents_are_not_proofs_about_transfers(tmp_path, content):
    (tmp_path / "proof.json").write_text(content)
    with pytest.raises(TransferProofError, match="not a proof about transfers; write one"):
        load_transfer_proof(tmp_path / "proof.json")


def test_the_order_of_keys_does_not_matter(tmp_path, proof):
    path = saved(proof, tmp_path / "proof.json")
    path.write_text(json.dumps(dict(reversed(json.loads(path.read_text()).items()))))
    assert load_transfer_proof(path) == proof


def test_a_proof_says_what_it_holds(proof):
    assert repr(proof) == "TransferProof(transfers of 2 agents)"


MALFORMED = {  # signed, and not what the size is told from
    "steps-that-are-no-number": {"stack": {"how": "apart", "steps": "x"}},
    "steps-that-are-a-list": {"stack": {"how": "apart", "steps": []}},
    "steps-beyond-memory": {"stack": {"how": "apart", "steps": 10**15}},
    "demands-that-are-a-list": {"asked": []},
    "demands-that-are-not-named": {"asked": {"balance": []}},
    "a-stack-that-is-a-list": {"stack": ["how"]},
    "kernels-that-are-a-list": {"kernels": ["kind"], "stack": {}},
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_malformed_is_refused_in_words(name):
    env = uncontrolled(0, 3)
    proof = transfer_proof(contingent_transfers(env, "stacked", "constant", steps=2, exact=True))
    with pytest.raises(TransferProofError):
        check_transfer_proof(env, replace(proof, **MALFORMED[name]))


def test_signed_content_that_is_malformed_is_refused(tmp_path, proof):
    path = saved(proof, tmp_path / "proof.json")
    content = json.loads(path.read_text())
    del content["digest"]
    for change in ({"shares": 1}, {"shares": [[]]}, {"values": ["x"]}, {"fees": [None]}, {"remark": 1}):
        changed = content | change
        path.write_text(json.dumps(changed | {"digest": digest(changed)}))
        with pytest.raises(TransferProofError, match="damaged"):
            load_transfer_proof(path)
