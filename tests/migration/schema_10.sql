BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'redeemd','0001_first_till','2026-11-28 11:24:41.727724+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'redeemd','0002_print_documents','2026-11-28 11:24:41.728820+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'redeemd','0003_promo_rules','2026-11-28 11:24:41.730571+00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'redeemd','0004_promos_signed_here','2026-11-28 11:24:41.731254+00:00');
INSERT INTO "_sqlite_migrations" VALUES(5,'redeemd','0005_promo_look_ups','2026-11-28 11:24:41.731793+00:00');
INSERT INTO "_sqlite_migrations" VALUES(6,'redeemd','0006_sale_holds','2026-11-28 11:24:41.732691+00:00');
INSERT INTO "_sqlite_migrations" VALUES(7,'redeemd','0007_disclosures','2026-11-28 11:24:41.733644+00:00');
INSERT INTO "_sqlite_migrations" VALUES(8,'redeemd','0008_members','2026-11-28 11:24:41.735092+00:00');
INSERT INTO "_sqlite_migrations" VALUES(9,'redeemd','0009_badges_and_split_sales','2026-11-28 11:24:41.735757+00:00');
INSERT INTO "_sqlite_migrations" VALUES(10,'redeemd','0010_conflicts','2026-11-28 11:24:41.736329+00:00');
CREATE TABLE badge_use (
    badge TEXT NOT NULL,
    day INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (badge, day)
) STRICT, WITHOUT ROWID;
CREATE TABLE budget (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    day INTEGER NOT NULL,
    count INTEGER NOT NULL,
    value_minor INTEGER NOT NULL,
    PRIMARY KEY (issuer, campaign, day)
) STRICT, WITHOUT ROWID;
INSERT INTO "budget" VALUES('acme',1,-1,1,3000);
INSERT INTO "budget" VALUES('acme',1,20785,1,3000);
CREATE TABLE bundle (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch INTEGER,
    manifest BLOB
) STRICT;
INSERT INTO "bundle" VALUES(1,1,X'844DA201320448E05AC76E98D0C256A059013CA76474696C6C66542D303030316565706F63680165706172747385836963616D706169676E73190179582001A13F3E6B095E518AA4B3A8CC881D4F5508B5259E1B89A1251DCFA99B9F3D5083646B657973188A582013B515110D1DBB4B7DA69A4114D4E114ACA9B71D925A99F8DF1E658BC0802C758365706C616365186A58200AE01CAF09BF06E178D3024405DE51ACA0CD4A0ECA5D76A250643FAC68F26D85836670726F6D6F7301582076BE8B528D0075F7AAE98D6FA57A6D3C83AE480A8469E668D7B0AF968995AC71836D7374617475732F61636D652F31182F58205875DFA059286879E9086F31C9398643FEA9A0F5D8E73E5996234C082857D228666973737565641A6B0AB9F96873657175656E6365016D7374616C655F61667465725F731A000151806F657870697265735F61667465725F731A00127500584013B62C1423BCCA4F05D2F26E68D0BF9B24C50B8FD9534526359A84C8809AD7216C72CFE81044D5C8FD13DF06C28814137B2167D753DA0886F510B0C470D79106');
CREATE TABLE conflict (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    redemption_id TEXT NOT NULL,
    other_id TEXT NOT NULL,
    document TEXT NOT NULL,
    taken_at TEXT NOT NULL,
    seen_at TEXT,
    UNIQUE (redemption_id, other_id, kind)
) STRICT;
CREATE TABLE coupon_use (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    redemption_id TEXT NOT NULL,
    at TEXT NOT NULL,
    forget_after INTEGER NOT NULL,
    uses INTEGER NOT NULL DEFAULT 1 CHECK (uses > 0), spent_minor INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (issuer, campaign, idx)
) STRICT, WITHOUT ROWID;
INSERT INTO "coupon_use" VALUES('acme',1,1,'T-0001-1','2026-11-28T11:24:41.741Z',20815,1,0);
CREATE TABLE disclosure (
    lane TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    digest TEXT NOT NULL,
    salt TEXT NOT NULL,
    pseudonym TEXT NOT NULL,
    PRIMARY KEY (lane, sequence, digest)
) STRICT, WITHOUT ROWID;
CREATE TABLE evidence_record (
    sequence INTEGER PRIMARY KEY CHECK (sequence > 0),
    event TEXT NOT NULL,
    hash TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'acknowledged', 'conflict', 'quarantined')),
    outcome TEXT
) STRICT;
INSERT INTO "evidence_record" VALUES(1,'{"data":{"bundle":{"age":"fresh","epoch":1,"sequence":1},"business_date":"2026-11-28","clock":{"doubt":"","wall":"2026-11-28T11:24:41.741Z"},"coupon":{"campaign":1,"code":null,"index":1,"issuer":"acme","kid":"cddfe5ffed7efa8f","referrer":null,"touch":null},"detail":null,"hour":11,"member":null,"merchant":"acme","offline":true,"outcome":"already_redeemed","sale":null,"scan_id":"3e92249a0ce8ba212139448c74cf2f49","source":"test","store":"S-07","token_sha256":"3939d2f1ca23635befd5749aea6b8216ecbeead1930989a70d9027a594b26a47"},"datacontenttype":"application/json","id":"T-0001-E1","lane":"evidence","prevhash":"0000000000000000000000000000000000000000000000000000000000000000","sequence":"1","source":"/tills/T-0001","specversion":"1.0","subject":"acme/1/1","time":"2026-11-28T11:24:41.741Z","type":"redeemd.evidence.v1","hash":"d33452468e8536bc38bb1cb7ce2ba145565f276e6bb2ce30f6cf85f41506db93","signature":"f9Y9moOVx9sHArSce1r0Yssw1P14Q4zv--CcjCT4HuCfltibJ7Ti3Yx3X-7kcrnb4XEjXxeJ2V43Mh1WRX4fBw"}','d33452468e8536bc38bb1cb7ce2ba145565f276e6bb2ce30f6cf85f41506db93','waiting',NULL);
CREATE TABLE held_coupon (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    hold_id TEXT NOT NULL,
    until TEXT NOT NULL,
    charge_minor INTEGER NOT NULL,
    amount_minor INTEGER NOT NULL, member BLOB, points INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (issuer, campaign, idx, hold_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE hold (
    hold_id TEXT PRIMARY KEY,
    sale_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'committed', 'voided', 'expired')),
    opened_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    held TEXT NOT NULL,
    answer TEXT NOT NULL
) STRICT;
CREATE TABLE member_points (
    number INTEGER PRIMARY KEY,
    member BLOB NOT NULL,
    day INTEGER NOT NULL,
    sale_id TEXT NOT NULL,
    earned INTEGER NOT NULL,
    spent INTEGER NOT NULL
) STRICT;
CREATE TABLE member_sale (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    member BLOB NOT NULL,
    sale_id TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (issuer, campaign, member, sale_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE member_use (
    issuer TEXT NOT NULL,
    campaign INTEGER NOT NULL,
    member BLOB NOT NULL,
    day INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (issuer, campaign, member, day, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE part (
    name TEXT PRIMARY KEY,
    sha256 BLOB NOT NULL,
    content BLOB NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "part" VALUES('campaigns',X'01A13F3E6B095E518AA4B3A8CC881D4F5508B5259E1B89A1251DCFA99B9F3D50',X'81B164656E647319529E6473697A651864656F66666572A16762656E65666974A2646B696E646A616D6F756E745F6F666665737465707381A2696F66665F6D696E6F72190BB86A66726F6D5F6D696E6F72192710657469746C65A262656E6A3330206F666620313030627A686FE6BBA1E799BEE5878FE4B889E58D8166627564676574A469636F756E745F6461791A000F42406D636F756E745F6F66666C696E651A000F42406F76616C75655F6461795F6D696E6F721B00000002540BE4007376616C75655F6F66666C696E655F6D696E6F721B00000002540BE400666973737565726461636D65666E756D626572016670726F6D7074A262656E60627A6860667374617274731951136673746F726573F66776657273696F6E016863757272656E637963434E596A636F6E646974696F6E73A262656E60627A68606A67726163655F64617973006D6F66666C696E655F636C61737361436D7374616C655F70657263656E7418196F657870697265645F70657263656E7400');
INSERT INTO "part" VALUES('keys',X'13B515110D1DBB4B7DA69A4114D4E114ACA9B71D925A99F8DF1E658BC0802C75',X'81A8636B696448CDDFE5FFED7EFA8F666973737565726461636D6567657870697265731952C169616C676F726974686D326963616D706169676E73F66A6E6F745F6265666F7265006A7075626C69635F6B657958201D87D573D5592A04DA5CD7689DAA7705D28BACD415AE3FA1F64346FBB6B788CF6F76616C75655F6D61785F6D696E6F721A000F4240');
INSERT INTO "part" VALUES('place',X'0AE01CAF09BF06E178D3024405DE51ACA0CD4A0ECA5D76A250643FAC68F26D85',X'A7647A6F6E65635554436573746F726564532D3037657469746C65A262656E6D50656F706C65277320526F6164627A686CE4BABAE6B091E8B7AFE5BA976667726F757073811846666E756D626572076863757272656E637963434E59686D65726368616E746461636D65');
INSERT INTO "part" VALUES('promos',X'76BE8B528D0075F7AAE98D6FA57A6D3C83AE480A8469E668D7B0AF968995AC71',X'80');
INSERT INTO "part" VALUES('status/acme/1',X'5875DFA059286879E9086F31C9398643FEA9A0F5D8E73E5996234C082857D228',X'A464626974734A780163C005000019000165636F756E741864666973737565726461636D656863616D706169676E01');
CREATE TABLE print_document (
    number INTEGER PRIMARY KEY,
    document TEXT NOT NULL
) STRICT;
CREATE TABLE print_job (
    number INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL,
    redemption_id TEXT NOT NULL,
    receipt TEXT NOT NULL,
    state TEXT NOT NULL,
    copies INTEGER NOT NULL DEFAULT 0,
    cause TEXT NOT NULL DEFAULT '',
    queued_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
INSERT INTO "print_job" VALUES(1,'T-0001-1','T-0001-1','{"language":"en","store_name":"People''s Road","till":"T-0001","printed_at":"2026-11-28 11:24:41","redemption_number":"T-0001-1","campaign_title":"30 off 100","benefit_text":"30 off from 100","currency":"CNY","sale_total_minor":null,"discount_minor":null,"payable_minor":null,"offline":true,"promo_token":null,"promo_title":"","promo_conditions":"","promo_short":"","papers":["redemption"],"join_link":"","join_words":"","referral_link":"","referral_words":"","conflict":""}','queued',0,'','2026-11-28T11:24:41.741Z','2026-11-28T11:24:41.741Z');
CREATE TABLE promo (
    short TEXT PRIMARY KEY,
    token TEXT NOT NULL,
    texts TEXT NOT NULL,
    redemption_id TEXT
, issuer TEXT NOT NULL DEFAULT '', campaign INTEGER NOT NULL DEFAULT 0, idx INTEGER NOT NULL DEFAULT 0, expires INTEGER NOT NULL DEFAULT 65535, settled INTEGER NOT NULL DEFAULT 0, signed INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;
CREATE TABLE redemption_record (
    sequence INTEGER PRIMARY KEY CHECK (sequence > 0),
    event TEXT NOT NULL,
    hash TEXT NOT NULL,
    -- conflict: acknowledged, and the coupon was redeemed at another till as well
    state TEXT NOT NULL CHECK (state IN ('waiting', 'acknowledged', 'conflict', 'quarantined')),
    outcome TEXT               -- the cloud's answer as JSON
) STRICT;
INSERT INTO "redemption_record" VALUES(1,'{"data":{"assistant":null,"basket":null,"bundle":{"age":"fresh","epoch":1,"sequence":1},"business_date":"2026-11-28","campaign_version":1,"charge_minor":3000,"clock":{"doubt":"","wall":"2026-11-28T11:24:41.741Z"},"coupon":{"campaign":1,"code":null,"index":1,"issuer":"acme","kid":"cddfe5ffed7efa8f","referrer":null,"touch":null},"currency":"CNY","detail":null,"discount_minor":null,"hour":11,"incentives":[],"member":null,"merchant":"acme","offline":true,"offline_class":"C","outcome":"accepted","promo":null,"promotion":null,"redemption_id":"T-0001-1","sale":null,"scan_id":"1ff7e7d64d2e11e02e740f3a48929407","source":"test","store":"S-07","tenders":[],"token_sha256":"3939d2f1ca23635befd5749aea6b8216ecbeead1930989a70d9027a594b26a47"},"datacontenttype":"application/json","id":"T-0001-1","lane":"redemption","prevhash":"0000000000000000000000000000000000000000000000000000000000000000","sequence":"1","source":"/tills/T-0001","specversion":"1.0","subject":"acme/1/1","time":"2026-11-28T11:24:41.741Z","type":"redeemd.redemption.v1","hash":"49b88a51b430b09be5a0ccc48dceca72e45ff3196f6a4f38a75ff3c9e06e515e","signature":"h_r18sU8BxHfNTfOXNmi76cQ2sE8TL34wEgorE_ZHMvAtF-AfhW8DlL-HEOFtXbgvCnlQ3EPMcpoBi8bFT9wDQ"}','49b88a51b430b09be5a0ccc48dceca72e45ff3196f6a4f38a75ff3c9e06e515e','waiting',NULL);
CREATE TABLE request (
    request_id TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    answer TEXT NOT NULL,
    at TEXT NOT NULL
) STRICT;
INSERT INTO "request" VALUES('key','217406547c30eb3e1f58e43752ece56bab2ca974fddf28ea82a8fa4c6a961f56','{"accepted":true,"at":"2026-11-28T11:24:41.741Z","campaign":{"benefit_en":"30 off from 100","benefit_zh":"满 100 减 30","prompt_en":"","prompt_zh":"","title_en":"30 off 100","title_zh":"满百减三十"},"coupon":{"campaign":1,"expires":"2026-12-28","index":1,"issuer":"acme"},"currency":"CNY","detail":null,"discount_minor":null,"en":"Accepted: 30 off from 100","first_use":null,"ms":0.0,"next_en":"Check: 30 off from 100","next_zh":"请核对：满 100 减 30","offline":true,"outcome":"accepted","print_job":"T-0001-1","redemption_id":"T-0001-1","replayed":false,"scan_id":"1ff7e7d64d2e11e02e740f3a48929407","source":"test","tone":"good","transient":false,"works_from":null,"zh":"可用：满 100 减 30"}','2026-11-28T11:24:41.741Z');
CREATE TABLE returned (
    number INTEGER NOT NULL,
    line TEXT NOT NULL,
    pieces INTEGER NOT NULL CHECK (pieces > 0),
    PRIMARY KEY (number, line)
) STRICT, WITHOUT ROWID;
CREATE TABLE root (
    epoch INTEGER PRIMARY KEY,
    document BLOB NOT NULL
) STRICT;
INSERT INTO "root" VALUES(1,X'A264726F6F745891A56565706F636801666973737565641A6B0AB9F969726F6F745F6B657973818248CB549DB1B00B2B4658206BB9A5D9B5CF54A10C5A9275D031DBBC0CA33E10B7EA281A83B29E062BBAF93F697468726573686F6C64016D6D616E69666573745F6B657973818248E05AC76E98D0C256582007A1F636CAEE2AB68308B9E8BFC91B24169C673ABA99EDBC45D298C519AA98B76A7369676E617475726573818248CB549DB1B00B2B46584021972FCB0120AE30F966C17E53C7166F16E0C489B84AF2B3DFF6FCF1F919BFEA29E174E9AE4798B219B26BA52B2F3D2CC04691BED6B8F70F6099286829D53609');
CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "setting" VALUES('till','T-0001');
INSERT INTO "setting" VALUES('time_anchor','2026-11-28T11:24:41.000Z - 0.000');
INSERT INTO "setting" VALUES('time_mark','2026-11-28T11:24:41.000Z');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX redemption_waiting ON redemption_record (sequence) WHERE state = 'waiting';
CREATE INDEX redemption_quarantined ON redemption_record (sequence) WHERE state = 'quarantined';
CREATE INDEX redemption_conflict ON redemption_record (sequence) WHERE state = 'conflict';
CREATE INDEX evidence_waiting ON evidence_record (sequence) WHERE state = 'waiting';
CREATE INDEX evidence_quarantined ON evidence_record (sequence) WHERE state = 'quarantined';
CREATE INDEX evidence_conflict ON evidence_record (sequence) WHERE state = 'conflict';
CREATE VIEW record AS
    SELECT 'redemption' AS lane, sequence, event, hash, state, outcome FROM redemption_record
    UNION ALL SELECT 'evidence', sequence, event, hash, state, outcome FROM evidence_record;
CREATE INDEX print_job_open ON print_job (number) WHERE state IN ('queued', 'sending', 'unconfirmed');
CREATE INDEX promo_free ON promo (short) WHERE redemption_id IS NULL;
CREATE INDEX promo_coupon ON promo (issuer, campaign, idx);
CREATE INDEX promo_handed_out ON promo (redemption_id) WHERE redemption_id IS NOT NULL AND settled = 0;
CREATE INDEX promo_free_of ON promo (issuer, campaign, short) WHERE redemption_id IS NULL;
CREATE INDEX promo_signed ON promo (issuer, campaign, idx) WHERE signed = 1;
CREATE INDEX hold_open ON hold (expires_at) WHERE state = 'open';
CREATE INDEX hold_sale ON hold (sale_id) WHERE state = 'committed';
CREATE INDEX disclosure_pseudonym ON disclosure (pseudonym);
CREATE INDEX member_points_member ON member_points (member, number);
CREATE INDEX member_sale_at ON member_sale (at);
CREATE INDEX conflict_unseen ON conflict (id) WHERE kind = 'conflict' AND seen_at IS NULL;
COMMIT;
PRAGMA application_id = 1380207940;
PRAGMA user_version = 10;
